// Hedging over real connections: what the two endpoints see on the wire.

import { afterEach, expect, test } from "vitest";
import { type Clock, systemClock } from "../common/clock.ts";
import type { FramePeer } from "./http2/testing/frame-peer.ts";
import { grpcReply } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { openHttp2Client } from "./testing/http2-client.ts";
import { startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Seen {
  readonly peer: FramePeer;
  readonly id: number;
  body: Buffer;
}

/** Two backends that answer at once, until `isSlow`: then only what is sent a second time. */
class Backends {
  isSlow = false;
  readonly seen: Seen[] = [];
  /** The first stream that is reset, with its code. */
  readonly reset: Promise<{ readonly peer: FramePeer; readonly id: number; readonly code: number | undefined }>;
  #onReset: (reset: { peer: FramePeer; id: number; code: number | undefined }) => void = () => {};

  constructor() {
    this.reset = new Promise((resolve) => {
      this.#onReset = resolve;
    });
  }

  listen(): Promise<FrameBackend> {
    return FrameBackend.listen(undefined, (peer) => void this.#serve(peer));
  }

  async #serve(peer: FramePeer): Promise<void> {
    const second = new Set<number>();
    while (!peer.hasEnded) {
      const frame = await peer.next("HEADERS", "DATA", "RST_STREAM").catch(() => undefined);
      if (frame === undefined) return;
      const { type, id, code, fields, payload, end } = frame;
      if (type === "RST_STREAM") this.#onReset({ peer, id, code });
      if (type === "HEADERS") {
        this.seen.push({ peer, id, body: Buffer.alloc(0) });
        if (fields.includes("grpc-previous-rpc-attempts: 1")) second.add(id);
      }
      if (type !== "DATA") continue;
      const seen = this.seen.find((other) => other.peer === peer && other.id === id);
      if (seen !== undefined) seen.body = Buffer.concat([seen.body, payload]);
      if (end && (!this.isSlow || second.has(id))) peer.send(...grpcReply(id));
    }
  }
}

test("the slow endpoint gets RST_STREAM(CANCEL), keeps its connection and serves the next call", async () => {
  const backends = new Backends();
  const listening = await Promise.all([backends.listen(), backends.listen()]);
  // Percentiles are worked out every three seconds; nobody waits for that here.
  let skewMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + skewMs };
  const ports = listening.map(({ port }) => port);
  const settings = { ferry_hedge: "p99", ferry_hedge_min_delay: "20ms" };
  const proxy = await startStackProxy(ports, { clock, settings, traits: { kind: "unary", idempotent: true } });
  const client = openHttp2Client(proxy.port);
  closers.push(
    ...listening.map((backend) => () => backend.close()),
    () => proxy.close(),
    () => client.close(),
  );
  for (let i = 0; i < 30; i++) expect((await client.grpc()).grpcStatus).toBe("0");
  skewMs += 3_001;
  backends.isSlow = true;
  backends.seen.length = 0;

  expect(await client.grpc()).toMatchObject({ grpcStatus: "0", attempts: "2" });
  const [first, second, ...others] = backends.seen;
  expect(others).toEqual([]);
  expect(first?.peer).not.toBe(second?.peer);
  expect(first?.body).toEqual(second?.body);
  const reset = await backends.reset;
  expect(reset.peer).toBe(first?.peer);
  expect(reset).toMatchObject({ id: first?.id, code: 8 });

  backends.isSlow = false;
  for (let i = 0; i < 4; i++) expect((await client.grpc()).grpcStatus).toBe("0");
  expect(listening.map(({ connections }) => connections.length)).toEqual([1, 1]);
  expect(proxy.held()).toEqual({ calls: 0, atEndpoints: 0, places: 0 });
});
