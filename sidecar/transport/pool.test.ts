import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import type { ReplyListener } from "../http2/client.ts";
import { ErrorCode, type StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";
import type { ServerStream } from "../http2/server.ts";
import { FramePeer, frame, getRequest, headersFrame, ok, uint32 } from "../http2/testing/frame-peer.ts";
import { plaintextDialer } from "./dial.ts";
import { type Listening, listenHttp2 } from "./listen.ts";
import { Pool, type PoolOptions } from "./pool.ts";

class Reply implements ReplyListener {
  status = "";
  error: StreamError | undefined = undefined;
  readonly ended_ = Promise.withResolvers<void>();
  head(fields: HeaderFields): void {
    this.status = fields[0]!.value;
  }
  failed(): void {}
  ended(_trailers: unknown, error: StreamError | undefined): void {
    this.error = error;
    this.ended_.resolve();
  }
}

async function server(maxConcurrentStreams: number): Promise<{ listening: Listening; requests: ServerStream[] }> {
  const requests: ServerStream[] = [];
  const listening = await listenHttp2({
    host: "127.0.0.1",
    port: 0,
    clock: systemClock,
    limits: { maxConcurrentStreams },
    onRequest: (stream) => requests.push(stream),
  });
  onTestFinished(() => listening.drain(0));
  return { listening, requests };
}

function pool(options: Partial<PoolOptions> = {}): Pool {
  const made = new Pool({ dial: plaintextDialer(systemClock), clock: systemClock, ...options });
  onTestFinished(() => made.close());
  return made;
}

function send(to: Pool, port: number, timeoutMs = 1000): { reply: Reply; cancel(): void } {
  const reply = new Reply();
  const stream = to.request("127.0.0.1", port, timeoutMs, getRequest, undefined, reply);
  return { reply, cancel: () => stream.cancel(ErrorCode.CANCEL) };
}

describe("a pool", () => {
  test("uses one connection while it takes more streams", async () => {
    const { listening, requests } = await server(100);
    const ours = pool();
    const calls = Array.from({ length: 100 }, () => send(ours, listening.port));
    await expect.poll(() => requests.length).toBe(100);
    expect(listening.connections).toBe(1);
    for (const request of requests) request.respond(ok, true);
    await Promise.all(calls.map(({ reply }) => reply.ended_.promise));
    expect(calls.every(({ reply }) => reply.status === "200")).toBe(true);
  });

  test("opens further connections when MAX_CONCURRENT_STREAMS is used up", async () => {
    const { listening, requests } = await server(2);
    const ours = pool({ maxConnections: 3 });
    send(ours, listening.port);
    await expect.poll(() => requests.length).toBe(1);
    for (let i = 0; i < 5; i++) {
      send(ours, listening.port);
      await expect.poll(() => requests.length).toBe(i + 2);
    }
    expect(listening.connections).toBe(3);
    for (const request of requests) request.respond(ok, true);
  });

  test("at its cap lets requests wait, and never has more open than the peer allows", async () => {
    const { listening, requests } = await server(1);
    const ours = pool({ maxConnections: 1 });
    const calls = Array.from({ length: 10 }, () => send(ours, listening.port));
    for (let i = 0; i < 10; i++) {
      await expect.poll(() => requests.length).toBe(i + 1);
      requests[i]!.respond(ok, true);
    }
    await Promise.all(calls.map(({ reply }) => reply.ended_.promise));
    expect(calls.map(({ reply }) => reply.error)).toEqual(calls.map(() => undefined));
    expect(listening.connections).toBe(1);
  });

  test("refuses what cannot wait any more, as never processed", async () => {
    const { listening, requests } = await server(1);
    const ours = pool({ maxConnections: 1, maxWaiting: 1 });
    send(ours, listening.port);
    await expect.poll(() => requests.length).toBe(1);
    send(ours, listening.port);
    const { reply } = send(ours, listening.port);
    await reply.ended_.promise;
    expect(reply.error).toMatchObject({ code: ErrorCode.REFUSED_STREAM, neverProcessed: true });
    requests[0]!.respond(ok, true);
    await expect.poll(() => requests.length).toBe(2);
    requests[1]!.respond(ok, true);
  });

  test("who was cancelled while it waited leaves its place to others", async () => {
    const { listening, requests } = await server(1);
    const ours = pool({ maxConnections: 1, maxWaiting: 1 });
    send(ours, listening.port);
    await expect.poll(() => requests.length).toBe(1);
    for (let i = 0; i < 10; i++) send(ours, listening.port).cancel();
    const { reply } = send(ours, listening.port);
    requests[0]!.respond(ok, true);
    await expect.poll(() => requests.length).toBe(2);
    requests[1]!.respond(ok, true);
    await reply.ended_.promise;
    expect(reply.error).toBeUndefined();
  });

  test("fails what waits when it cannot connect, as never processed, and forgets the endpoint", async () => {
    const { listening } = await server(1);
    await listening.drain(0);
    const ours = pool();
    const { reply } = send(ours, listening.port);
    await reply.ended_.promise;
    expect(reply.error).toMatchObject({ code: ErrorCode.CONNECT_ERROR, neverProcessed: true, initiator: "connection" });
    expect(reply.error!.message).toContain(`127.0.0.1:${listening.port}`);
  });

  test("a request that waits can be cancelled at once", async () => {
    const silent = await FramePeer.listen({ isSilent: true });
    const ours = pool();
    const { reply, cancel } = send(ours, silent.port);
    cancel();
    await reply.ended_.promise;
    expect(reply.error).toMatchObject({ code: ErrorCode.CANCEL, initiator: "us", neverProcessed: true });
    (await silent.peer).close();
    silent.close();
  });

  test("leaves a connection that sent GOAWAY and opens another", async () => {
    const old = await FramePeer.listen();
    const ours = pool();
    const first = send(ours, old.port);
    const peer = await old.peer;
    await peer.next("HEADERS");
    peer.send(frame("GOAWAY", 0, 0, Buffer.concat([uint32(1), uint32(0)])));
    await peer.settled();
    expect(ours.connections).toBe(0);
    const second = send(ours, old.port);
    peer.send(headersFrame(1, ok, { end: true }));
    await first.reply.ended_.promise;
    expect(first.reply.status).toBe("200");
    second.cancel();
    old.close();
  });

  test("closes connections that were not used for a while, and only those", async () => {
    const clock = new TestingClock();
    const { listening, requests } = await server(10);
    const ours = pool({ clock, idleMs: 1000 });
    const { reply } = send(ours, listening.port);
    await expect.poll(() => requests.length).toBe(1);
    await clock.advance(2500);
    expect(ours.connections).toBe(1);
    requests[0]!.respond(ok, true);
    await reply.ended_.promise;
    await clock.advance(2500);
    expect(ours.connections).toBe(0);
    await expect.poll(() => listening.connections).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test("when closed refuses requests and waits for those under way", async () => {
    const { listening, requests } = await server(10);
    const ours = pool();
    const { reply } = send(ours, listening.port);
    await expect.poll(() => requests.length).toBe(1);
    const closed = ours.close();
    const late = send(ours, listening.port);
    expect(late.reply.error).toMatchObject({ neverProcessed: true });
    requests[0]!.respond(ok, true);
    await closed;
    expect(reply.status).toBe("200");
  });
});
