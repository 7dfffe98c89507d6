// What of a reply waits for its verdict, and what never does. docs/decisions/0005.

import { expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import { type BodySource, wholeBody } from "../http2/body.ts";
import type { MethodTraits } from "../routing/snapshot.ts";
import { type Answer, type PolicyChanges, ScriptedMesh } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const unary: MethodTraits = { kind: "unary", idempotent: true };
const headThenUnavailable: Answer = { kind: "early_head", afterMs: 500, answer: { kind: "status", status: 14 } };

/** A body that the caller goes on to write. */
const openBody: BodySource = { attach: (sink) => sink.data(Buffer.from("hello"), false), grant() {}, cancel() {} };

interface Held {
  readonly traits?: MethodTraits;
  readonly policy?: PolicyChanges;
  readonly body?: BodySource;
  readonly header?: Record<string, string>;
}

/** When the header goes out of a reply whose header comes at 0 and whose rest, if any, comes at 500. */
async function headAtMs(answer: Answer, held: Held): Promise<number | undefined> {
  const mesh = new ScriptedMesh();
  const { traits, policy = {}, body, header } = held;
  mesh.serve({ a: [answer], b: [answer] }, { policy, ...(traits !== undefined && { traits }) });
  const { call, head, result } = mesh.start(header, body);
  let atMs: number | undefined;
  void head.then(() => {
    atMs = mesh.clock.nowMs();
  });
  for (let step = 0; step <= 1_000; step += 10) await mesh.clock.advance(step === 0 ? 0 : 10);
  call.cancel(new ProxyFailure("cancelled", "", "test is over"));
  await result.catch(() => "broken off inside a message");
  return atMs;
}

test("the header of a unary method waits for the trailers, so that a status behind it is retried", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [headThenUnavailable], b: [ok] }, { traits: unary });
  const result = mesh.call();
  await mesh.clock.advance(500);
  expect(await result).toMatchObject({ status: "0", message: "fine", attempts: "2" });
  expect(mesh.decisions).toEqual(["retry"]);
});

test("the header goes out with the first byte of a message, however long the trailers take", async () => {
  expect(await headAtMs({ kind: "message_only", bytes: 1 }, { traits: unary })).toBe(0);
});

test("a bidirectional server that sends its header first is heard at once, while the caller still writes", async () => {
  const traits: MethodTraits = { kind: "bidi_streaming", idempotent: true };
  expect(await headAtMs(headThenUnavailable, { traits, body: openBody })).toBe(0);
});

test("the header of an idle server stream goes out at once", async () => {
  const traits: MethodTraits = { kind: "server_streaming", idempotent: true };
  expect(await headAtMs({ kind: "early_head", afterMs: 900, answer: { kind: "never" } }, { traits })).toBe(0);
});

test("nothing is held of a unary call that cannot be retried", async () => {
  const none: Record<string, Held> = {
    "not idempotent": { traits: { kind: "unary", idempotent: false } },
    "no retries": { traits: unary, policy: { retry: { retries: 0 } } },
    "request not ended": { traits: unary, body: openBody },
    "request not whole": { traits: unary, body: wholeBody(Buffer.alloc(2_000, 65)) },
    "retried before": { traits: unary, header: { "grpc-previous-rpc-attempts": "1" } },
    "budget spent": { traits: unary, policy: { budget: { percent: 0, floorPerSecond: 0, burst: 0 } } },
    "unknown method": {},
  };
  for (const [why, held] of Object.entries(none)) expect(await headAtMs(headThenUnavailable, held), why).toBe(0);
});

test("of a method whose kind is unknown and which may be retried the header waits 50 ms", async () => {
  const policy = { retry: { idempotent: "yes" } } as const;
  expect(await headAtMs(headThenUnavailable, { policy })).toBe(50);
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "early_head", afterMs: 49, answer: { kind: "status", status: 14 } }], b: [ok] }, { policy });
  const result = mesh.call();
  await mesh.clock.advance(49);
  expect(await result).toMatchObject({ status: "0", attempts: "2" });
});

test("100 MB pass through as they come, and nothing of them is kept", async () => {
  for (const hold of ["headers", "message"] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "flood", chunks: 6_400 }] }, { traits: unary, policy: { retry: { hold } } });
    const { head } = mesh.startUnread();
    // A window is smaller than what may be held: time releases it.
    await mesh.clock.advance(hold === "message" ? 50 : 0);
    const reply = await head;
    let bytes = 0;
    let peak = 0;
    const before = process.memoryUsage().arrayBuffers;
    await new Promise<void>((resolve, reject) => {
      reply.body.attach({
        data(chunk) {
          bytes += chunk.length;
          if (bytes % 1_048_576 < chunk.length) peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
          reply.body.grant(chunk.length);
        },
        trailers: () => resolve(),
        abort: reject,
      });
    });
    expect(bytes).toBe(6_400 * 16_384);
    expect(peak).toBeLessThan(1_048_576);
  }
});

const message = { traits: unary, policy: { retry: { hold: "message" } } } as const;

test("an instance that dies between message and trailers is replaced where messages are held", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "break_after_message" }], b: [ok] }, message);
  expect(await mesh.call()).toMatchObject({ status: "0", message: "fine", attempts: "2" });
  const plain = new ScriptedMesh();
  plain.serve({ a: [{ kind: "break_after_message" }], b: [ok] }, { traits: unary });
  expect(await plain.call()).toMatchObject({ status: "14", failure: "connection_lost", attempts: undefined });
});

test("a status behind a held message is the caller's all the same", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "status", status: 14, message: "half" }], b: [ok] }, message);
  expect(await mesh.call()).toMatchObject({ status: "14", message: "half", attempts: undefined });
});

test("a held message whose trailers do not come goes out after 50 ms, and one above 64 KiB at once", async () => {
  expect(await headAtMs({ kind: "message_only", bytes: 100 }, message)).toBe(50);
  expect(await headAtMs({ kind: "message_only", bytes: 65_537 }, message)).toBe(0);
});

test("messages of streams and of unknown methods are not held", async () => {
  const policy = { retry: { hold: "message", idempotent: "yes" } } as const;
  expect(await headAtMs({ kind: "message_only", bytes: 100 }, { policy })).toBe(0);
  const traits: MethodTraits = { kind: "server_streaming", idempotent: true };
  expect(await headAtMs({ kind: "message_only", bytes: 100 }, { policy, traits })).toBe(0);
});
