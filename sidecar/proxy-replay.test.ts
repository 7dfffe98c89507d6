// What is sent again: only what provably did not run, whatever its method, and each call runs exactly once, as the
// backends count it (RFC 9113 section 8.7, gRFC A6).

import { afterEach, describe, expect, test } from "vitest";
import { dataFrame, FramePeer, fieldsOf, frame, headersFrame, uint32 } from "./http2/testing/frame-peer.ts";
import { type CompleteRequest, grpcReply, onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { type Http2Client, openHttp2Client } from "./testing/http2-client.ts";
import { grpcMessage, grpcOk, request, untilEnd } from "./testing/proxy-rig.ts";
import { type StackProxyOptions, startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function proxied(ports: readonly number[], options: StackProxyOptions = {}) {
  const proxy = await startStackProxy(ports, options);
  const client = openHttp2Client(proxy.port);
  closers.push(
    () => proxy.close(),
    () => client.close(),
  );
  return { port: proxy.port, client };
}

/** A backend, and the requests that it has executed. */
interface Counting {
  readonly port: number;
  readonly seen: CompleteRequest[];
  readonly backend: FrameBackend;
}

async function backendThat(answer: (request: CompleteRequest, peer: FramePeer, connection: number) => void) {
  const seen: CompleteRequest[] = [];
  const backend = await FrameBackend.listen(undefined, (peer, index) => {
    void onEachRequest(peer, (request) => {
      seen.push(request);
      answer(request, peer, index);
    });
  });
  closers.push(() => backend.close());
  return { port: backend.port, seen, backend } satisfies Counting;
}

const serves = () => backendThat(({ id, path }, peer) => peer.send(...replyTo(id, path)));
const refuses = () => backendThat(({ id }, peer) => peer.send(rst(id, 7)));
const losesConnection = () => backendThat((_, peer) => peer.socket.destroy());

function replyTo(id: number, path: string): readonly Buffer[] {
  return path === "/x" ? [headersFrame(id, fieldsOf([":status", "201"]), { end: true })] : grpcReply(id);
}

function rst(id: number, code: number): Buffer {
  return frame("RST_STREAM", 0, id, uint32(code));
}

/** Refuses a stream when so much of its body has come. */
async function refuseAfter(peer: FramePeer, bytes: number): Promise<void> {
  peer.send(frame("WINDOW_UPDATE", 0, 0, uint32(1 << 20)));
  const { id } = await peer.next("HEADERS");
  while (peer.dataBytes(id) < bytes) await peer.next("DATA");
  peer.send(rst(id, 7));
}

/** A port that nobody listens on. */
async function deadPort(): Promise<number> {
  const backend = await FrameBackend.listen();
  await backend.close();
  return backend.port;
}

const post = (client: Http2Client, body: Buffer) => client.call({ ":method": "POST", ":path": "/x" }, body);
const unsafe = { traits: { kind: "unary", idempotent: false } } as const;
const safe = { traits: { kind: "unary", idempotent: true } } as const;
const payload = Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * 7) & 0xff));

describe("what was never sent", () => {
  test("goes to the next endpoint as long as there is one that was not tried, also a POST", async () => {
    const dead = await Promise.all(Array.from({ length: 6 }, deadPort));
    const good = await serves();
    const { client } = await proxied([...dead, good.port], unsafe);
    expect(await client.grpc()).toMatchObject({ grpcStatus: "0" });
    expect(await post(client, payload)).toMatchObject({ httpStatus: 201 });
    expect(good.seen.map(({ path }) => path)).toEqual(["/ferry.test.Echo/Unary", "/x"]);
    expect(good.seen[1]!.body.equals(payload)).toBe(true);
  });

  test("is tried three times more at a lone endpoint, and then told", async () => {
    const { client } = await proxied([await deadPort()]);
    expect(await client.grpc()).toMatchObject({ grpcStatus: "14", failure: "connect_failed" });
  });
});

describe("what was refused before it ran", () => {
  test("is sent once more, whole, to another endpoint, also a POST with a body", async () => {
    const [bad, good] = [await refuses(), await serves()];
    const { client } = await proxied([bad.port, good.port], unsafe);
    expect(await post(client, payload)).toMatchObject({ httpStatus: 201, attempts: "2" });
    expect([bad.seen.length, good.seen.length]).toEqual([1, 1]);
    expect(good.seen[0]!.body.equals(payload)).toBe(true);
  });

  test("is told when it is refused twice", async () => {
    const backends = [await refuses(), await refuses(), await serves()];
    const { client } = await proxied(backends.map(({ port }) => port));
    expect(await client.grpc()).toMatchObject({ grpcStatus: "14", failure: "refused" });
    expect(backends.map(({ seen }) => seen.length)).toEqual([1, 1, 0]);
  });

  test("is not sent again when a part of it is no longer held", async () => {
    const wide = { settings: [[4, 1 << 20]] as [number, number][] };
    const bad = await FrameBackend.listen(
      () => wide,
      (peer) => void refuseAfter(peer, 80_000),
    );
    const good = await serves();
    closers.push(() => bad.close());
    const { client } = await proxied([bad.port, good.port]);
    expect(await post(client, Buffer.alloc(100_000, 1))).toMatchObject({ httpStatus: 503, failure: "refused" });
    expect(good.seen).toEqual([]);
  });

  test("goes on live where it was refused in the middle: what came, then what comes, then its trailers", async () => {
    const good = await serves();
    const bad = await FrameBackend.listen(undefined, (peer) => {
      void peer.next("DATA").then(({ id }) => peer.send(rst(id, 7)));
    });
    closers.push(() => bad.close());
    const { port } = await proxied([bad.port, good.port]);
    const client = await FramePeer.connect(port);
    closers.push(() => client.close());
    client.send(headersFrame(1, request("POST", "/x")), dataFrame(1, payload.subarray(0, 10_000)));
    expect((await good.backend.connection(0)).hasEnded).toBe(false);
    client.send(dataFrame(1, payload.subarray(10_000, 20_000)));
    client.send(headersFrame(1, fieldsOf(["x-checksum", "1"]), { end: true }));
    expect((await untilEnd(client, 1))[0]!.fields).toContain(":status: 201");
    expect(good.seen[0]!.body.equals(payload.subarray(0, 20_000))).toBe(true);
  });
});

describe("what may have run", () => {
  for (const [what, options] of [
    ["a method that is not idempotent", unsafe],
    ["an unknown method", {}],
  ] as const) {
    test(`is not sent again when the connection is lost without GOAWAY: ${what}`, async () => {
      const [bad, good] = [await losesConnection(), await serves()];
      const { client } = await proxied([bad.port, good.port], options);
      expect(await client.grpc()).toMatchObject({ grpcStatus: "14", failure: "connection_lost" });
      expect([bad.seen.length, good.seen.length]).toEqual([1, 0]);
    });
  }

  test("is not sent again when the connection is lost without GOAWAY: plain HTTP, also a GET", async () => {
    const [bad, good] = [await losesConnection(), await serves()];
    const { client } = await proxied([bad.port, good.port]);
    const reply = await client.call({ ":method": "GET", ":path": "/x" });
    expect(reply).toMatchObject({ httpStatus: 502, failure: "connection_lost" });
    expect(good.seen).toEqual([]);
  });

  test("is sent once more when its method is marked idempotent", async () => {
    const [bad, good] = [await losesConnection(), await serves()];
    const { client } = await proxied([bad.port, good.port], safe);
    expect(await client.grpc()).toMatchObject({ grpcStatus: "0", attempts: "2" });
    expect([bad.seen.length, good.seen.length]).toEqual([1, 1]);
  });

  test("is never sent again once its response header went out, idempotent or not", async () => {
    const streaming = { traits: { kind: "server_streaming", idempotent: true } } as const;
    for (const end of [
      (peer: FramePeer) => peer.socket.end(),
      (peer: FramePeer, id: number) => peer.send(rst(id, 7)),
    ]) {
      const bad = await backendThat(({ id }, peer) => {
        peer.send(headersFrame(id, grpcOk), dataFrame(id, grpcMessage(10)));
        end(peer, id);
      });
      const good = await serves();
      const { client } = await proxied([bad.port, good.port], streaming);
      const reply = await client.grpc();
      expect(reply.httpStatus).toBe(200);
      expect(reply.grpcStatus).not.toBe("0");
      expect([bad.seen.length, good.seen.length]).toEqual([1, 0]);
    }
  });

  test("many calls over backends that refuse, lose and serve: what succeeded ran once, and nothing twice", async () => {
    const ran = new Map<string, number>();
    const count = ({ fields }: CompleteRequest) => {
      const call = fields.find((field) => field.startsWith("x-call: ")) ?? "";
      ran.set(call, (ran.get(call) ?? 0) + 1);
    };
    let turn = 0;
    const moody = await backendThat((request, peer) => {
      turn++;
      if (turn % 5 === 0) return peer.send(rst(request.id, 7));
      count(request);
      if (turn % 37 === 0) return peer.socket.destroy();
      peer.send(...grpcReply(request.id));
    });
    const good = await backendThat((request, peer) => {
      count(request);
      peer.send(...grpcReply(request.id));
    });
    const { client } = await proxied([moody.port, good.port, await deadPort()], unsafe);
    const replies = await Promise.all(Array.from({ length: 300 }, (_, i) => client.grpc({ "x-call": String(i) })));
    replies.forEach((reply, i) => {
      if (reply.grpcStatus === "0") expect(ran.get(`x-call: ${i}`)).toBe(1);
      else expect(["connection_lost", "refused"]).toContain(reply.failure);
    });
    expect(Math.max(...ran.values())).toBe(1);
    // How many were under way on a connection that was lost is chance.
    expect(replies.filter(({ grpcStatus }) => grpcStatus === "0").length).toBeGreaterThan(50);
  });
});

test("a lone endpoint that refuses a stream gets it again on another connection", async () => {
  const backend = await backendThat(({ id, path }, peer, connection) =>
    peer.send(...(connection === 0 ? [rst(id, 7)] : replyTo(id, path))),
  );
  const { client } = await proxied([backend.port]);
  expect(await client.grpc()).toMatchObject({ grpcStatus: "0" });
  expect(backend.backend.connections.length).toBe(2);
});
