// Each limit is reached by a peer that misbehaves: the connection is closed with ENHANCE_YOUR_CALM (or the stream
// refused) under one reason, which is in GOAWAY's debug text and told to whoever counts.

import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { ErrorCode } from "./error-code.ts";
import { clientPreface, Flag } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import {
  dataFrame,
  FramePeer,
  fieldsOf,
  frame,
  getRequest,
  headersFrame,
  ok,
  postRequest,
  settingsFrame,
  uint32,
} from "./testing/frame-peer.ts";
import { ScriptedBody, scriptedServer } from "./testing/scripted-server.ts";
import { cancel, serverAndPeer } from "./testing/server-and-peer.ts";

describe("floods end the connection", () => {
  const ping = frame("PING", 0, 0, Buffer.alloc(8));
  const floods: [string, string, (round: number) => Buffer[]][] = [
    [
      "CONTINUATION frames, empty ones too",
      "continuation_flood",
      (i) => [i === 0 ? frame("HEADERS", 0, 1, "82") : frame("CONTINUATION", 0, 1)],
    ],
    [
      "a header block without end",
      "header_block_too_large",
      (i) => [frame(i === 0 ? "HEADERS" : "CONTINUATION", 0, 1, Buffer.alloc(16_384, 0x82))],
    ],
    ["SETTINGS", "settings_flood", () => [settingsFrame()]],
    ["PING", "too_many_pings", () => [ping]],
    ["PRIORITY", "glitches", () => [frame("PRIORITY", 0, 1, Buffer.alloc(5))]],
    ["unknown frames", "glitches", () => [Buffer.concat([Buffer.of(0, 0, 0, 0xfa), Buffer.alloc(5)])]],
    ["empty DATA", "glitches", (i) => [i === 0 ? headersFrame(1, postRequest) : dataFrame(1, 0)]],
    [
      "requests and their resets",
      "client_resets",
      (i) => [headersFrame(2 * i + 1, getRequest, { end: true }), cancel(2 * i + 1)],
    ],
    [
      "requests reset at once, half of them answered before",
      "client_resets",
      (i) => [headersFrame(2 * i + 1, getRequest, { end: true }), ...(i % 10 < 6 ? [cancel(2 * i + 1)] : [])],
    ],
    [
      "WINDOW_UPDATE for nothing that was sent",
      "glitches",
      (i) => [...(i === 0 ? [headersFrame(1, postRequest)] : []), frame("WINDOW_UPDATE", 0, i % 2, uint32(1))],
    ],
    [
      "RST_STREAM for a stream that has ended",
      "glitches",
      (i) => [...(i === 0 ? [headersFrame(1, getRequest, { end: true })] : []), cancel(1)],
    ],
    ["answers to PINGs that nobody sent", "glitches", () => [frame("PING", Flag.ACK, 0, Buffer.alloc(8))]],
    [
      "streams above the limit that we announced",
      "glitches",
      (i) => [headersFrame(2 * i + 1, getRequest, { end: true })],
    ],
    ["malformed requests", "own_resets", (i) => [headersFrame(2 * i + 1, fieldsOf(["x", "1"]), { end: true })]],
  ];
  test.each(floods)("%s: %s", async (_what, reason, round) => {
    const { server, peer } = await serverAndPeer();
    await peer.settled();
    for (let i = 0; i < 3000 && !peer.hasEnded; i++) {
      peer.send(...round(i));
      if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
    }
    const goaway = await peer.next("GOAWAY");
    expect(goaway).toMatchObject({ code: ErrorCode.ENHANCE_YOUR_CALM });
    expect(goaway.debug).toMatch(new RegExp(`^${reason}($|:)`));
    expect(server.forcedCloses).toEqual([reason]);
    await peer.closed;
  });

  test("windows that are opened octet by octet while DATA waits: glitches (CVE-2019-9511)", async () => {
    const body = new ScriptedBody();
    const { server, peer } = await serverAndPeer(
      {},
      {
        peer: { settings: [[4, 0]] },
        onRequest(stream) {
          stream.respond(ok, false);
          stream.sendBody(body);
        },
      },
    );
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    body.push(100_000);
    for (let i = 0; i < 2000 && !peer.hasEnded; i++) {
      peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(1)));
      if (i % 100 === 99) await peer.delivered();
    }
    expect((await peer.next("GOAWAY")).debug).toMatch(/^glitches: /);
    expect(server.forcedCloses).toEqual(["glitches"]);
  });

  test("answers that nobody reads do not pile up", async () => {
    const { server } = await serverAndPeer({ maxQueuedControlFrames: 100 });
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    await once(socket, "connect");
    socket.on("error", () => {});
    socket.pause();
    socket.write(clientPreface);
    socket.write(Buffer.concat([settingsFrame(), frame("SETTINGS", Flag.ACK, 0)]));
    // DATA with each PING, so that only what is queued counts.
    const round = Buffer.concat([dataFrame(1, 1), ping]);
    socket.write(headersFrame(1, postRequest));
    const flood = Buffer.concat(Array.from({ length: 4000 }, () => round));
    while (!socket.destroyed && server.forcedCloses.length === 0) {
      if (socket.writableLength < 1 << 20) socket.write(flood);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(server.forcedCloses[0]).toMatch(/^(control_queue|output_queue)$/);
    socket.destroy();
  });
});

describe("what a client may do to make us reset its running requests (CVE-2025-8671)", () => {
  const start = headersFrame(1, getRequest, { end: true });
  const update = (increment: number) => frame("WINDOW_UPDATE", 0, 1, uint32(increment));
  const itself = Buffer.concat([uint32(1), Buffer.of(0)]);
  const primitives: [string, ErrorCode, Buffer][] = [
    ["WINDOW_UPDATE of 0", ErrorCode.PROTOCOL_ERROR, update(0)],
    ["WINDOW_UPDATE that overflows the stream's window", ErrorCode.FLOW_CONTROL_ERROR, update(2 ** 31 - 1)],
    ["PRIORITY of 4 octets", ErrorCode.FRAME_SIZE_ERROR, frame("PRIORITY", 0, 1, Buffer.alloc(4))],
    ["PRIORITY on itself", ErrorCode.PROTOCOL_ERROR, frame("PRIORITY", 0, 1, itself)],
    ["HEADERS after END_STREAM", ErrorCode.STREAM_CLOSED, start],
    ["DATA after END_STREAM", ErrorCode.STREAM_CLOSED, dataFrame(1, 1)],
  ];
  test.each(primitives)("%s ends the connection and cancels the work at once", async (_what, code, attack) => {
    const { server, peer } = await serverAndPeer();
    peer.send(start);
    await peer.settled();
    const told: (number | string)[] = [];
    server.requests[0]!.onAbort((error) => told.push(error.code, error.initiator));
    peer.send(attack);
    expect(await peer.next("GOAWAY")).toMatchObject({ code, lastStreamId: 1 });
    expect(told[0]).toBe(code === ErrorCode.FLOW_CONTROL_ERROR ? code : ErrorCode.CANCEL);
    await peer.closed;
    expect(server.forcedCloses.length).toBe(1);
  });
});

describe("many streams at once", () => {
  test("of one connection wait their turn: 64 requests a turn, and another connection's gets in between", async () => {
    const order: string[] = [];
    const { server, peer } = await serverAndPeer(
      {},
      { onRequest: (_stream, { remoteAddress }) => order.push(remoteAddress) },
    );
    const other = await FramePeer.connect(server.port);
    await Promise.all([peer.settled(), other.settled()]);
    const greedy = `127.0.0.1:${peer.socket.localPort}`;
    peer.send(...Array.from({ length: 1000 }, (_, i) => headersFrame(2 * i + 1, getRequest, { end: true })));
    other.send(headersFrame(1, getRequest, { end: true }));
    await expect.poll(() => order.length).toBe(1001);
    expect(order.findIndex((from) => from !== greedy)).toBeLessThanOrEqual(3 * 64);
    await peer.settled();
    other.close();
  });

  test("that come in one read are all served, in order, and what follows them too", async () => {
    const paths: string[] = [];
    const { peer } = await serverAndPeer(
      {},
      {
        onRequest(stream) {
          paths.push(stream.fields[2]!.value);
          stream.respond(ok, true);
        },
      },
    );
    await peer.settled();
    const request = (i: number) => getRequest.map((field) => (field.name === ":path" ? path(i) : field));
    const path = (i: number) => fieldsOf([":path", `/${i}`])[0]!;
    const sent = Array.from({ length: 300 }, (_, i) => headersFrame(2 * i + 1, request(i), { end: true }));
    peer.send(...sent, headersFrame(601, postRequest), dataFrame(601, 10, true));
    await peer.settled();
    expect(paths.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, i) => `/${i}`));
    expect(peer.seen.filter(({ type }) => type === "HEADERS").length).toBe(301);
  });

  test("a connection that fails while the rest of a read waits is closed as any other", async () => {
    const { server, peer } = await serverAndPeer();
    await peer.settled();
    const many = Array.from({ length: 100 }, (_, i) => headersFrame(2 * i + 1, getRequest, { end: true }));
    peer.send(...many, frame("PING", 0, 1, Buffer.alloc(8)));
    expect(await peer.next("GOAWAY")).toMatchObject({ code: ErrorCode.PROTOCOL_ERROR, lastStreamId: 199 });
    await peer.closed;
    expect(server.requests.length).toBe(100);
  });
});

describe("streams that are refused while the connection goes on", () => {
  test("the one above MAX_CONCURRENT_STREAMS gets REFUSED_STREAM", async () => {
    const { server, peer } = await serverAndPeer({ maxConcurrentStreams: 2 });
    for (const id of [1, 3, 5]) peer.send(headersFrame(id, getRequest, { end: true }));
    expect(await peer.next("RST_STREAM")).toMatchObject({ id: 5, code: ErrorCode.REFUSED_STREAM });
    server.requests[0]!.respond(ok, true);
    peer.send(headersFrame(7, getRequest, { end: true }));
    await peer.settled();
    expect([server.requests.length, server.refusals]).toEqual([3, ["concurrent_streams"]]);
  });

  test("a header over the limit is answered 431, for gRPC with status 8, and HPACK stays in step", async () => {
    const { server, peer } = await serverAndPeer();
    const many = fieldsOf(...Array.from({ length: 130 }, (_, i): [string, string] => [`x-${i}`, "1"]));
    peer.send(headersFrame(1, [...getRequest, ...many], { end: true }));
    expect(await peer.next("HEADERS")).toMatchObject({ end: true, fields: [":status: 431"] });
    const grpc = [...getRequest, ...fieldsOf(["content-type", "application/grpc"], ["x", "v".repeat(33_000)])];
    const payload = Buffer.concat([headersFrame(3, grpc).subarray(9)]);
    peer.send(
      frame("HEADERS", 0, 3, payload.subarray(0, 16_384)),
      frame("CONTINUATION", 0, 3, payload.subarray(16_384, 32_768)),
    );
    peer.send(frame("CONTINUATION", 4, 3, payload.subarray(32_768)));
    expect((await peer.next("HEADERS")).fields).toContain("grpc-status: 8");
    peer.send(headersFrame(5, getRequest, { end: true }));
    await peer.settled();
    expect(server.requests.length).toBe(1);
    expect(server.refusals).toEqual(["header_list_too_large", "header_list_too_large"]);
  });

  test("CONNECT is answered 501", async () => {
    const { peer } = await serverAndPeer();
    peer.send(headersFrame(1, fieldsOf([":method", "CONNECT"], [":authority", "a:1"]), { end: true }));
    expect((await peer.next("HEADERS")).fields).toEqual([":status: 501"]);
  });
});

describe("time", () => {
  test.each([
    ["no preface", []],
    ["half a preface", [clientPreface.subarray(0, 10)]],
    ["no acknowledgement of our SETTINGS", [clientPreface, settingsFrame()]],
  ])("%s in 10 s closes the connection with SETTINGS_TIMEOUT", async (_what, sent) => {
    const { server, peer } = await serverAndPeer({}, { peer: { isSilent: true } });
    peer.send(...sent);
    await peer.next("SETTINGS");
    await server.clock.advance(defaultLimits.handshakeMs);
    const goaway = await peer.next("GOAWAY");
    expect([goaway.code, server.forcedCloses]).toEqual([ErrorCode.SETTINGS_TIMEOUT, ["handshake_timeout"]]);
  });

  test("a connection that is up has one timer, whatever its streams do", async () => {
    const { server, peer } = await serverAndPeer();
    for (let i = 0; i < 20; i++) peer.send(headersFrame(2 * i + 1, postRequest), dataFrame(2 * i + 1, 10));
    await peer.settled();
    expect(server.clock.pendingTimers).toBe(1);
  });

  test("a peer that grants windows but reads nothing: what waits is bounded, and a stall of 30 s closes", async () => {
    const body = new ScriptedBody();
    const server = await scriptedServer((stream) => {
      stream.respond(ok, false);
      stream.sendBody(body);
    });
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    await once(socket, "connect");
    socket.on("error", () => {});
    socket.pause();
    const wide = uint32(2 ** 30);
    socket.write(Buffer.concat([clientPreface, settingsFrame([[4, 2 ** 30]]), frame("SETTINGS", Flag.ACK, 0)]));
    socket.write(Buffer.concat([frame("WINDOW_UPDATE", 0, 0, wide), headersFrame(1, getRequest, { end: true })]));
    await expect.poll(() => body.sink).toBeDefined();
    // As a source does that has 256 KiB of credit: pushes again what was granted.
    let pushed = 0;
    for (let idle = 0; idle < 50; ) {
      const room = body.granted + 262_144 - pushed;
      if (room > 0) body.push(room);
      idle = room > 0 ? 0 : idle + 1;
      pushed += room;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pushed - body.granted).toBe(262_144);
    await server.clock.advance(defaultLimits.writeStallMs);
    expect(server.forcedCloses).toEqual(["write_stall"]);
    expect(body.cancelled).toBe(ErrorCode.CANCEL);
    socket.destroy();
    await server.listening.drain(0);
  });
});
