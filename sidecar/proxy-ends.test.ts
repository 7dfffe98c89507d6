// How calls end before their time: by the caller, by a deadline, by a failure of ours; told by the order of frames, and
// by a clock that the test moves.

import { afterEach, describe, expect, test } from "vitest";
import { TestingClock } from "../common/testing-clock.ts";
import { dataFrame, FramePeer, fieldsOf, frame, headersFrame, uint32 } from "./http2/testing/frame-peer.ts";
import { onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { type Http2Client, openHttp2Client } from "./testing/http2-client.ts";
import { grpcMessage, grpcOk, grpcRequest, pick, request, shape, untilEnd } from "./testing/proxy-rig.ts";
import { startFerryProxy } from "./testing/proxy-under-test.ts";
import { startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Clocked {
  readonly clock: TestingClock;
  readonly client: FramePeer;
  readonly backend: FrameBackend;
}

async function clocked(): Promise<Clocked> {
  const clock = new TestingClock();
  const backend = await FrameBackend.listen();
  const proxy = await startStackProxy([backend.port], { clock });
  const client = await FramePeer.connect(proxy.port);
  closers.push(
    () => proxy.close(),
    () => backend.close(),
    () => client.close(),
  );
  return { clock, client, backend };
}

async function ferry(backend: FrameBackend): Promise<{ client: Http2Client; port: number }> {
  const proxy = await startFerryProxy(backend.port);
  const client = openHttp2Client(proxy.port);
  closers.push(
    () => backend.close(),
    () => proxy.close(),
    () => client.close(),
  );
  return { client, port: proxy.port };
}

const statusOf = (fields: readonly string[]) => pick(fields, ":status", "grpc-status", "x-ferry-failure");

describe("a deadline", () => {
  test("of 100m to a silent backend: at 100 ms and not before, status 4 and RST_STREAM(CANCEL)", async () => {
    const { clock, client, backend } = await clocked();
    client.send(headersFrame(1, grpcRequest(["grpc-timeout", "100m"])), dataFrame(1, grpcMessage(3), true));
    const up = await backend.connection(0);
    expect(pick((await up.next("HEADERS")).fields, "grpc-timeout")).toEqual(["grpc-timeout: 100000u"]);
    await clock.advance(99);
    await Promise.all([up.settled(), client.settled()]);
    expect(client.seen.filter(({ id }) => id === 1)).toEqual([]);
    await clock.advance(1);
    const reply = await untilEnd(client, 1);
    expect(shape(reply)).toEqual(["HEADERS+END"]);
    expect(statusOf(reply[0]!.fields)).toEqual([
      ":status: 200",
      "grpc-status: 4",
      "x-ferry-failure: deadline_exceeded",
    ]);
    expect(await up.next("RST_STREAM")).toMatchObject({ id: 1, code: 8 });
  });

  test("that passes after a message is told in trailers, and inside a message by RST_STREAM(CANCEL)", async () => {
    const { clock, client, backend } = await clocked();
    for (const id of [1, 3]) client.send(headersFrame(id, grpcRequest(["grpc-timeout", "1S"])), dataFrame(id, 5, true));
    const up = await backend.connection(0);
    while (up.seen.filter(({ type }) => type === "HEADERS").length < 2) await up.next("HEADERS");
    up.send(headersFrame(1, grpcOk), dataFrame(1, grpcMessage(9)), headersFrame(3, grpcOk));
    up.send(dataFrame(3, grpcMessage(9).subarray(0, 8)));
    await client.next("DATA");
    await client.next("DATA");
    await clock.advance(1000);
    const ends = [await client.next("HEADERS", "RST_STREAM"), await client.next("HEADERS", "RST_STREAM")];
    ends.sort((a, b) => a.id - b.id);
    expect(statusOf(ends[0]!.fields)).toEqual(["grpc-status: 4", "x-ferry-failure: deadline_exceeded"]);
    expect(ends[1]).toMatchObject({ type: "RST_STREAM", code: 8 });
    const resets = [await up.next("RST_STREAM"), await up.next("RST_STREAM")];
    expect(resets.map(({ code }) => code)).toEqual([8, 8]);
  });

  test("that the backend keeps a moment before our timer is status 4; a cancel long before it is 1", async () => {
    const { clock, client, backend } = await clocked();
    for (const id of [1, 3]) {
      client.send(headersFrame(id, grpcRequest(["grpc-timeout", "1S"])), dataFrame(id, grpcMessage(3), true));
    }
    const up = await backend.connection(0);
    await up.next("DATA");
    await up.next("DATA");
    await clock.advance(500);
    up.send(frame("RST_STREAM", 0, 1, uint32(8)));
    expect(statusOf((await untilEnd(client, 1))[0]!.fields)).toContain("grpc-status: 1");
    await clock.advance(499.5);
    up.send(frame("RST_STREAM", 0, 3, uint32(8)));
    expect(statusOf((await untilEnd(client, 3))[0]!.fields)).toContain("grpc-status: 4");
  });

  test("of plain HTTP is 504 with a sentence", async () => {
    const { clock, client, backend } = await clocked();
    client.send(headersFrame(1, request("GET", "/x", ["grpc-timeout", "1S"]), { end: true }));
    await (await backend.connection(0)).next("HEADERS");
    await clock.advance(1000);
    const reply = await untilEnd(client, 1);
    expect(statusOf(reply[0]!.fields)).toEqual([":status: 504", "x-ferry-failure: deadline_exceeded"]);
  });

  for (const timeout of ["", "5", "S", "100", "123456789S", "-1S", "1 S", "1x", "1.5S"]) {
    test(`that is malformed is refused and reaches no backend: "${timeout}"`, async () => {
      const backend = await FrameBackend.listen();
      const { client } = await ferry(backend);
      const reply = await client.grpc({ "grpc-timeout": timeout });
      expect(reply).toMatchObject({ httpStatus: 200, grpcStatus: "13", failure: "bad_request" });
      expect(backend.connections).toEqual([]);
    });
  }

  for (const timeout of ["99999999H", "99999999M", "99999999S", "2147484S"]) {
    test(`as long as ${timeout} does not overflow: the call lives`, async () => {
      const seen: string[] = [];
      const backend = await FrameBackend.listen(undefined, (peer) => {
        void onEachRequest(peer, ({ id, fields }) => {
          seen.push(...pick(fields, "grpc-timeout"));
          const trailers = fieldsOf(["grpc-status", "0"]);
          // A timer that overflowed would fire within a millisecond.
          setTimeout(() => peer.send(headersFrame(id, [...grpcOk, ...trailers], { end: true })), 20);
        });
      });
      const { client } = await ferry(backend);
      expect(await client.grpc({ "grpc-timeout": timeout })).toMatchObject({ grpcStatus: "0" });
      expect(seen[0]).toMatch(/^grpc-timeout: \d{1,8}[HMSmun]$/);
    });
  }

  test("to a backend that has stopped reading is kept", async () => {
    const { clock, client, backend } = await clocked();
    client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3), true));
    const up = await backend.connection(0);
    await up.next("DATA");
    up.socket.pause();
    client.send(headersFrame(3, grpcRequest(["grpc-timeout", "1S"])), dataFrame(3, 16_384), dataFrame(3, 16_384));
    await client.settled();
    await clock.advance(1000);
    const reply = await untilEnd(client, 3);
    expect(statusOf(reply[0]!.fields)).toContain("grpc-status: 4");
    expect(shape(reply)).toEqual(["HEADERS+END"]);
  });
});

describe("a caller that goes away", () => {
  for (const [what, code] of [
    ["CANCEL", 8],
    ["NO_ERROR", 0],
    ["PROTOCOL_ERROR", 1],
    ["REFUSED_STREAM", 7],
  ] as const) {
    test(`by RST_STREAM(${what}) is RST_STREAM(CANCEL) to the backend`, async () => {
      const backend = await FrameBackend.listen();
      const { port } = await ferry(backend);
      const client = await FramePeer.connect(port);
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3)));
      const up = await backend.connection(0);
      await up.next("DATA");
      const startMs = performance.now();
      client.send(frame("RST_STREAM", 0, 1, uint32(code)));
      expect(await up.next("RST_STREAM")).toMatchObject({ id: 1, code: 8 });
      console.log(`RST_STREAM passed the proxy in ${(performance.now() - startMs).toFixed(2)} ms`);
      client.close();
    });
  }

  test("by closing its connection cancels all its calls at the backend", async () => {
    const backend = await FrameBackend.listen();
    const { port } = await ferry(backend);
    const client = await FramePeer.connect(port);
    for (const id of [1, 3, 5]) client.send(headersFrame(id, grpcRequest()), dataFrame(id, grpcMessage(3)));
    const up = await backend.connection(0);
    while (up.seen.filter(({ type }) => type === "DATA").length < 3) await up.next("DATA");
    client.close();
    const resets = [await up.next("RST_STREAM"), await up.next("RST_STREAM"), await up.next("RST_STREAM")];
    expect(resets.map(({ id, code }) => [id, code])).toEqual([
      [1, 8],
      [3, 8],
      [5, 8],
    ]);
  });

  test("while its call waits for a connection never reaches the backend", async () => {
    const { clock, client, backend } = await clocked();
    const silent = await FrameBackend.listen(() => ({ isSilent: true }));
    const proxy = await startStackProxy([silent.port], { clock });
    const other = await FramePeer.connect(proxy.port);
    closers.push(
      () => proxy.close(),
      () => silent.close(),
      () => other.close(),
    );
    other.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3), true));
    const up = await silent.connection(0);
    other.send(frame("RST_STREAM", 0, 1, uint32(8)));
    await other.settled();
    up.send(frame("SETTINGS", 0, 0));
    await up.next("SETTINGS");
    await clock.advance(1);
    other.close();
    await other.closed;
    expect(up.seen.filter(({ type }) => type === "HEADERS")).toEqual([]);
    expect(client.hasEnded).toBe(false);
    expect(backend.connections).toEqual([]);
  });

  test("in the middle of a long reply stops it: no DATA is asked for any more", async () => {
    const backend = await FrameBackend.listen();
    const { port } = await ferry(backend);
    const client = await FramePeer.connect(port);
    client.send(headersFrame(1, request("GET", "/x"), { end: true }));
    const up = await backend.connection(0);
    await up.next("HEADERS");
    up.send(headersFrame(1, fieldsOf([":status", "200"])), ...Array.from({ length: 8 }, () => dataFrame(1, 16_000)));
    await client.next("DATA");
    client.send(frame("RST_STREAM", 0, 1, uint32(8)));
    expect(await up.next("RST_STREAM")).toMatchObject({ id: 1, code: 8 });
    const before = client.dataBytes(1);
    up.send(...Array.from({ length: 4 }, () => dataFrame(1, 16_000)));
    await up.settled();
    await client.settled();
    expect(client.dataBytes(1)).toBe(before);
    expect(up.seen.filter(({ type, id }) => type === "WINDOW_UPDATE" && id === 1)).toEqual([]);
    client.close();
  });
});
