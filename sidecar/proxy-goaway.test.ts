// Backends that go away in order, and backends that take few streams at a time: nothing fails, nothing runs twice.

import { afterEach, describe, expect, test } from "vitest";
import { type FramePeer, frame, settingsFrame, uint32 } from "./http2/testing/frame-peer.ts";
import { grpcReply, onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { type Http2Client, openHttp2Client } from "./testing/http2-client.ts";
import { startFerryProxy } from "./testing/proxy-under-test.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const maxStreamId = 2 ** 31 - 1;
const goaway = (last: number) => frame("GOAWAY", 0, 0, Buffer.concat([uint32(last), uint32(0)]));
const maxConcurrentStreams = (value: number) => settingsFrame([[3, value]]);

async function proxied(backend: FrameBackend): Promise<Http2Client> {
  const proxy = await startFerryProxy(backend.port);
  const client = openHttp2Client(proxy.port);
  closers.push(
    () => backend.close(),
    () => proxy.close(),
    () => client.close(),
  );
  return client;
}

/** How often each call was executed, by its `x-call`. */
class Executions {
  readonly counts = new Map<string, number>();

  add(fields: readonly string[]): void {
    const call = fields.find((field) => field.startsWith("x-call: ")) ?? "";
    this.counts.set(call, (this.counts.get(call) ?? 0) + 1);
  }
}

describe("GOAWAY from the backend", () => {
  test("in two steps, every 40 calls, under load: 600 calls, none fails, each runs once", async () => {
    const executions = new Executions();
    const backend = await FrameBackend.listen(undefined, (peer) => {
      let served = 0;
      let lastId = 0;
      void onEachRequest(peer, ({ id, fields }) => {
        lastId = id;
        served++;
        executions.add(fields);
        peer.send(...grpcReply(id));
        if (served === 40) peer.send(goaway(maxStreamId));
        // What was under way to us when it said so is still served.
        if (served === 40) setImmediate(() => setImmediate(() => peer.send(goaway(lastId))));
      });
    });
    const client = await proxied(backend);
    const failed: string[] = [];
    let begun = 0;
    const worker = async () => {
      while (begun < 600) {
        const reply = await client.grpc({ "x-call": String(begun++) });
        if (reply.grpcStatus !== "0" || reply.rstCode !== 0) failed.push(`${reply.grpcStatus} ${reply.failure}`);
      }
    };
    await Promise.all(Array.from({ length: 30 }, worker));
    expect(failed).toEqual([]);
    expect([...executions.counts.values()].filter((count) => count !== 1)).toEqual([]);
    expect(executions.counts.size).toBe(600);
    expect(backend.connections.length).toBeGreaterThanOrEqual(5);
  });

  test("naming a stream below some of ours: those run on another connection, the others where they are", async () => {
    const executions = new Executions();
    const held: { peer: FramePeer; id: number; fields: readonly string[] }[] = [];
    const backend = await FrameBackend.listen(undefined, (peer, index) => {
      void onEachRequest(peer, ({ id, fields }) => {
        if (index > 0) {
          executions.add(fields);
          peer.send(...grpcReply(id));
          return;
        }
        held.push({ peer, id, fields });
        if (held.length < 5) return;
        peer.send(goaway(3));
        for (const { id, fields } of held.filter(({ id }) => id <= 3)) {
          executions.add(fields);
          peer.send(...grpcReply(id));
        }
      });
    });
    const client = await proxied(backend);
    const replies = await Promise.all(Array.from({ length: 5 }, (_, i) => client.grpc({ "x-call": String(i) })));
    expect(replies.map(({ grpcStatus }) => grpcStatus)).toEqual(Array(5).fill("0"));
    expect(replies.map(({ attempts }) => attempts).sort()).toEqual(["2", "2", "2", undefined, undefined]);
    expect([...executions.counts.values()]).toEqual(Array(5).fill(1));
    expect(backend.connections.length).toBe(2);
  });

  test("is not passed on: the client's connection lives", async () => {
    const backend = await FrameBackend.listen(undefined, (peer) => {
      void onEachRequest(peer, ({ id }) => peer.send(...grpcReply(id), goaway(id)));
    });
    const client = await proxied(backend);
    for (let i = 0; i < 5; i++) expect(await client.grpc()).toMatchObject({ grpcStatus: "0" });
    expect(backend.connections.length).toBe(5);
  });
});

describe("MAX_CONCURRENT_STREAMS of the backend", () => {
  /** Answers when `next` is called; counts how many streams are open at once. */
  class SlowBackend {
    readonly waiting: { peer: FramePeer; id: number }[] = [];
    mostOpen = 0;
    #wake = () => {};

    play(peer: FramePeer): void {
      void onEachRequest(peer, ({ id }) => {
        this.waiting.push({ peer, id });
        const here = this.waiting.filter((it) => it.peer === peer);
        this.mostOpen = Math.max(this.mostOpen, here.length);
        this.#wake();
      });
    }

    async answer(): Promise<void> {
      while (this.waiting.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const { peer, id } = this.waiting.shift()!;
      peer.send(...grpcReply(id));
    }
  }

  test("1, and 10 calls at once: all succeed, never two open at once", async () => {
    const slow = new SlowBackend();
    const backend = await FrameBackend.listen(
      () => ({ settings: [[3, 1]] }),
      (peer) => slow.play(peer),
    );
    const client = await proxied(backend);
    const calls = Array.from({ length: 10 }, () => client.grpc());
    for (let i = 0; i < 10; i++) await slow.answer();
    const statuses = (await Promise.all(calls)).map(({ grpcStatus }) => grpcStatus);
    expect(statuses).toEqual(Array(10).fill("0"));
    expect(slow.mostOpen).toBe(1);
  });

  test("lowered from 100 to 1 while calls are open: those end, and then it is one at a time", async () => {
    const slow = new SlowBackend();
    const backend = await FrameBackend.listen(undefined, (peer) => slow.play(peer));
    const client = await proxied(backend);
    const first = Array.from({ length: 5 }, () => client.grpc());
    const peer = await backend.connection(0);
    while (slow.waiting.length < 5) await new Promise(setImmediate);
    peer.send(maxConcurrentStreams(1));
    while (peer.seen.filter(({ type, end }) => type === "SETTINGS" && end).length < 2) await new Promise(setImmediate);
    const second = Array.from({ length: 5 }, () => client.grpc());
    for (let i = 0; i < 5; i++) await slow.answer();
    expect((await Promise.all(first)).map(({ grpcStatus }) => grpcStatus)).toEqual(Array(5).fill("0"));
    slow.mostOpen = 0;
    for (let i = 0; i < 5; i++) await slow.answer();
    expect((await Promise.all(second)).map(({ grpcStatus }) => grpcStatus)).toEqual(Array(5).fill("0"));
    expect(slow.mostOpen).toBe(1);
  });

  test("0 lets calls wait until it is raised", async () => {
    const slow = new SlowBackend();
    const backend = await FrameBackend.listen(
      () => ({ settings: [[3, 0]] }),
      (peer) => slow.play(peer),
    );
    const client = await proxied(backend);
    const call = client.grpc();
    const peer = await backend.connection(0);
    while (!peer.seen.some(({ type, end }) => type === "SETTINGS" && end)) await new Promise(setImmediate);
    expect(slow.waiting).toEqual([]);
    peer.send(maxConcurrentStreams(1));
    await slow.answer();
    expect(await call).toMatchObject({ grpcStatus: "0" });
  });

  test("0 and a deadline: the call ends at its deadline and never reaches the backend", async () => {
    const backend = await FrameBackend.listen(() => ({ settings: [[3, 0]] }));
    const client = await proxied(backend);
    expect(await client.grpc({ "grpc-timeout": "50m" })).toMatchObject({
      grpcStatus: "4",
      failure: "deadline_exceeded",
    });
    const peer = await backend.connection(0);
    await peer.settled();
    expect(peer.seen.filter(({ type }) => type === "HEADERS")).toEqual([]);
  });
});
