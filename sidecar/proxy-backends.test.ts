// Backends that are not well: each is told to the caller by its kind, to gRPC as a status and to plain HTTP as an HTTP
// status with a sentence.

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { TestingClock } from "../common/testing-clock.ts";
import { type FailureKind, failures } from "./failure.ts";
import { ErrorCode, errorCodeName } from "./http2/error-code.ts";
import { dataFrame, type FramePeer, fieldsOf, frame, headersFrame, ok, uint32 } from "./http2/testing/frame-peer.ts";
import { onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { type Exchange, type Http2Client, openHttp2Client } from "./testing/http2-client.ts";
import { grpcMessage, grpcOk } from "./testing/proxy-rig.ts";
import { startFerryProxy } from "./testing/proxy-under-test.ts";
import { startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A client of `ferry proxy` in front of `port`. */
async function clientOf(port: number): Promise<Http2Client> {
  const proxy = await startFerryProxy(port);
  const client = openHttp2Client(proxy.port);
  closers.push(
    () => proxy.close(),
    () => client.close(),
  );
  return client;
}

async function framesBackend(play: (peer: FramePeer, index: number) => void): Promise<FrameBackend> {
  const backend = await FrameBackend.listen(undefined, play);
  closers.push(() => backend.close());
  return backend;
}

/** A backend that does with each socket what it is told. */
async function socketBackend(play: (socket: Socket) => void): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    sockets.push(socket);
    play(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** A plain request and a gRPC call fail as `kind`, as its row in the table says. */
async function expectKind(client: Http2Client, kind: FailureKind): Promise<void> {
  expectGrpc(await client.grpc(), kind);
  expectPlain(await client.call({ ":method": "POST", ":path": "/x" }, Buffer.from("x")), kind);
  const head = await client.call({ ":method": "HEAD", ":path": "/x" });
  expect(head).toMatchObject({ httpStatus: failures[kind].httpStatus, failure: kind, rstCode: 0 });
}

function expectGrpc(reply: Exchange, kind: FailureKind): void {
  expect(reply).toMatchObject({
    httpStatus: 200,
    grpcStatus: String(failures[kind].status),
    failure: kind,
    rstCode: 0,
  });
}

function expectPlain(reply: Exchange, kind: FailureKind): void {
  expect(reply).toMatchObject({ httpStatus: failures[kind].httpStatus, failure: kind, rstCode: 0 });
  const [what, sentence, ...rest] = reply.body.toString().split("\n");
  expect(what).toMatch(new RegExp(`^${kind}: .`));
  expect([sentence, ...rest]).toEqual([failures[kind].sentence, ""]);
}

const statusOk = fieldsOf(["grpc-status", "0"]);

const resetBy = (code: number) => (peer: FramePeer) =>
  void onEachRequest(peer, ({ id }) => peer.send(frame("RST_STREAM", 0, id, uint32(code))));

describe("a backend that cannot be reached", () => {
  test("refuses connections: connect_failed", async () => {
    const { port, sockets } = await socketBackend(() => {});
    await closers.pop()!();
    expect(sockets).toEqual([]);
    await expectKind(await clientOf(port), "connect_failed");
  });

  test("closes each connection at once: connect_failed", async () => {
    const { port } = await socketBackend((socket) => socket.destroy());
    await expectKind(await clientOf(port), "connect_failed");
  });

  test("speaks HTTP/1.1: connect_failed", async () => {
    const { port } = await socketBackend((socket) =>
      socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")),
    );
    await expectKind(await clientOf(port), "connect_failed");
  });

  test("sends garbage first: connect_failed", async () => {
    const { port } = await socketBackend((socket) => socket.resume().write(Buffer.alloc(200, 0xee)));
    await expectKind(await clientOf(port), "connect_failed");
  });

  test("accepts and says nothing: connect_timeout, after the connect timeout of each try", async () => {
    const clock = new TestingClock();
    const accepted: (() => void)[] = [];
    const { port, sockets } = await socketBackend(() => {
      for (const wake of accepted.splice(0)) wake();
    });
    const proxy = await startStackProxy([port], { clock });
    const client = openHttp2Client(proxy.port);
    closers.push(
      () => proxy.close(),
      () => client.close(),
    );
    let answered: Exchange | undefined;
    void client.grpc().then((reply) => {
      answered = reply;
    });
    for (let tries = 1; tries <= 4; tries++) {
      while (sockets.length < tries) await new Promise<void>((resolve) => accepted.push(resolve));
      await clock.advance(4_999);
      expect(answered).toBeUndefined();
      await clock.advance(1);
    }
    while (answered === undefined) await clock.advance(1);
    expectGrpc(answered, "connect_timeout");
    expect(sockets.length).toBe(4);
  });
});

describe("a backend that resets a stream", () => {
  const kinds: [number, FailureKind][] = Object.values(ErrorCode).map((code) => [code, "reset_by_upstream"]);
  const table = new Map<number, FailureKind>([
    ...kinds,
    [0x77, "reset_by_upstream"],
    [ErrorCode.NO_ERROR, "upstream_protocol"],
    [ErrorCode.REFUSED_STREAM, "refused"],
    [ErrorCode.CANCEL, "cancelled_by_upstream"],
    [ErrorCode.ENHANCE_YOUR_CALM, "upstream_overloaded"],
  ]);

  for (const [code, kind] of table) {
    const name = errorCodeName(code);
    test(`with ${name} before its header: ${kind}, whose status a client of gRPC has for this code`, async () => {
      const backend = await framesBackend(resetBy(code));
      await expectKind(await clientOf(backend.port), kind);
    });

    test(`with ${name} between messages: the status in trailers; plain HTTP is reset`, async () => {
      const backend = await framesBackend((peer) => {
        void onEachRequest(peer, ({ id, path }) => {
          const head = headersFrame(id, path === "/x" ? ok : grpcOk);
          peer.send(head, dataFrame(id, grpcMessage(3)), frame("RST_STREAM", 0, id, uint32(code)));
        });
      });
      const client = await clientOf(backend.port);
      // What is refused after a header did run.
      const after = kind === "refused" ? "reset_by_upstream" : kind;
      const reply = await client.grpc();
      expectGrpc(reply, after);
      // A reset drops what waits, so the message is there or is not, but never half.
      expect([0, 8]).toContain(reply.body.length);
      const plain = await client.call({ ":method": "GET", ":path": "/x" });
      expect(plain.rstCode).toBe(code === ErrorCode.CANCEL ? ErrorCode.CANCEL : ErrorCode.INTERNAL_ERROR);
    });
  }

  test("no code that blames the caller for the proxy's own connection reaches it", () => {
    const passed = [ErrorCode.PROTOCOL_ERROR, ErrorCode.COMPRESSION_ERROR, ErrorCode.FLOW_CONTROL_ERROR];
    expect(passed.map((code) => table.get(code))).toEqual(Array(3).fill("reset_by_upstream"));
  });
});

describe("a backend that goes away or astray in the middle", () => {
  function breakingBackend(part: Buffer, end: (peer: FramePeer) => void): Promise<FrameBackend> {
    return framesBackend((peer) => {
      void onEachRequest(peer, ({ id, path }) => {
        if (part.length > 0) peer.send(headersFrame(id, path === "/x" ? ok : grpcOk), dataFrame(id, part));
        end(peer);
      });
    });
  }
  const close = (peer: FramePeer) => peer.socket.end();

  test("closes TCP before its header: connection_lost", async () => {
    const backend = await breakingBackend(Buffer.alloc(0), close);
    await expectKind(await clientOf(backend.port), "connection_lost");
  });

  test("closes TCP between two messages: connection_lost in trailers; plain HTTP is reset", async () => {
    const backend = await breakingBackend(grpcMessage(100), close);
    const client = await clientOf(backend.port);
    const reply = await client.grpc();
    expectGrpc(reply, "connection_lost");
    expect(reply.body.equals(grpcMessage(100))).toBe(true);
    expect((await client.call({ ":method": "GET", ":path": "/x" })).rstCode).toBe(ErrorCode.INTERNAL_ERROR);
  });

  test("closes TCP inside a message: RST_STREAM(INTERNAL_ERROR), since trailers there are not gRPC", async () => {
    const backend = await breakingBackend(grpcMessage(100).subarray(0, 50), close);
    const reply = await (await clientOf(backend.port)).grpc();
    expect(reply).toMatchObject({ grpcStatus: undefined, rstCode: ErrorCode.INTERNAL_ERROR });
  });

  test("sends garbage before its header: upstream_protocol", async () => {
    const backend = await breakingBackend(Buffer.alloc(0), (peer) => peer.send(Buffer.alloc(300, 0xee)));
    await expectKind(await clientOf(backend.port), "upstream_protocol");
  });

  test("sends garbage between messages: upstream_protocol in trailers", async () => {
    const backend = await breakingBackend(grpcMessage(9), (peer) => peer.send(Buffer.alloc(300, 0xee)));
    expectGrpc(await (await clientOf(backend.port)).grpc(), "upstream_protocol");
  });

  test("answers with a header that breaks the rules: upstream_protocol, and only that call", async () => {
    const bad = headersFrame(1, [...grpcOk, ...fieldsOf(["Bad", "1"])], { end: true });
    const backend = await framesBackend((peer) => {
      void onEachRequest(peer, ({ id }) =>
        peer.send(id === 1 ? bad : headersFrame(id, [...grpcOk, ...statusOk], { end: true })),
      );
    });
    const client = await clientOf(backend.port);
    expectGrpc(await client.grpc(), "upstream_protocol");
    expect(await client.grpc()).toMatchObject({ grpcStatus: "0" });
    expect(backend.connections.length).toBe(1);
  });

  test("ends a gRPC reply without trailers: upstream_protocol", async () => {
    const backend = await framesBackend((peer) => {
      void onEachRequest(peer, ({ id }) => peer.send(headersFrame(id, grpcOk), dataFrame(id, grpcMessage(3), true)));
    });
    expectGrpc(await (await clientOf(backend.port)).grpc(), "upstream_protocol");
  });

  test("answers a gRPC call with a page of HTTP: it passes as it is, and no status is invented", async () => {
    const page = fieldsOf([":status", "503"]);
    const backend = await framesBackend((peer) => {
      void onEachRequest(peer, ({ id }) => peer.send(headersFrame(id, page), dataFrame(id, 9, true)));
    });
    const reply = await (await clientOf(backend.port)).grpc();
    expect(reply).toMatchObject({ httpStatus: 503, grpcStatus: undefined, failure: undefined, rstCode: 0 });
    expect(reply.body.length).toBe(9);
  });
});
