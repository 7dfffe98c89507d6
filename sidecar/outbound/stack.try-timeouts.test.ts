import { expect, test } from "vitest";
import { TriedTraces } from "../resilience/tried-traces.ts";
import type { MethodTraits } from "../routing/snapshot.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const never: Answer = { kind: "never" };
const unary: MethodTraits = { kind: "unary", idempotent: true };
const policy = { retry: { tryTimeoutMs: 200 } };

test("a try that takes too long is cancelled at its endpoint, and another endpoint answers", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [never], b: [ok] }, { traits: unary, policy });
  const result = mesh.call();
  await mesh.clock.advance(200);
  expect(await result).toMatchObject({ status: "0", message: "fine", attempts: "2" });
  expect(mesh.sent.map(({ endpoint, cancelled }) => [endpoint, cancelled])).toEqual([
    ["a", true],
    ["b", false],
  ]);
  expect(mesh.clock.pendingTimers).toBe(0);
});

test("the last try has the time that the caller gave", async () => {
  for (const last of [never, { kind: "early_head", afterMs: 900, answer: ok }] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [never], b: [never], c: [last] }, { traits: unary, policy });
    const result = mesh.call({ "grpc-timeout": "10S" });
    await mesh.clock.advance(5_000);
    expect(mesh.sent.map(({ cancelled }) => cancelled)).toEqual([true, true, false]);
    await mesh.clock.advance(5_000);
    expect(await result).toMatchObject(last === never ? { failure: "deadline_exceeded" } : { status: "0" });
  }
});

test("without a deadline the last try is cut as well, and says so", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [never], b: [never], c: [never] }, { traits: unary, policy });
  const result = mesh.call();
  await mesh.clock.advance(600);
  expect(await result).toMatchObject({ status: "4", failure: "try_timeout" });
  expect(mesh.sent.every(({ cancelled }) => cancelled)).toBe(true);
});

test("a try is not cut when a hop before does the retrying", async () => {
  const traces = new TriedTraces();
  traces.noteRetried("0af7651916cd43dd8448eb211c80319c", 0);
  const mesh = new ScriptedMesh(traces);
  mesh.serve({ a: [never], b: [ok] }, { traits: unary, policy });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const result = mesh.call({ "grpc-timeout": "1S", traceparent });
  await mesh.clock.advance(999);
  expect(mesh.sent.map(({ endpoint, cancelled }) => [endpoint, cancelled])).toEqual([["a", false]]);
  await mesh.clock.advance(1);
  expect(await result).toMatchObject({ failure: "deadline_exceeded" });
});

test("a try is not cut when the budget has no other", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [never], b: [ok] }, { traits: unary, policy: { ...policy, budget: { percent: 0, burst: 0 } } });
  const result = mesh.call({ "grpc-timeout": "1S" });
  await mesh.clock.advance(999);
  expect(mesh.sent.map(({ endpoint, cancelled }) => [endpoint, cancelled])).toEqual([["a", false]]);
  await mesh.clock.advance(1);
  expect(await result).toMatchObject({ failure: "deadline_exceeded" });
});

test("a held reply whose try is cut explains itself like one that never began", async () => {
  const mesh = new ScriptedMesh();
  const held: Answer = { kind: "early_head", afterMs: 900, answer: ok };
  mesh.serve({ a: [held] }, { traits: unary, policy: { retry: { ...policy.retry, schedule: "talk", retries: 1 } } });
  const result = mesh.call({ "grpc-timeout": "1S" });
  await mesh.clock.advance(200);
  expect(mesh.sent).toHaveLength(2);
  const late = new ScriptedMesh();
  late.serve({ a: [held] }, { traits: unary, policy: { retry: { ...policy.retry, schedule: "talk", retries: 2 } } });
  const cut = late.call({ "grpc-timeout": "2S" });
  await late.clock.advance(400);
  expect(await cut).toMatchObject({ status: "4", failure: "try_timeout" });
  await mesh.clock.advance(900);
  await result;
});

test("slow tries count as failures of their endpoint", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve(
    { a: [never], b: [ok], c: [ok] },
    { traits: unary, policy: { ...policy, ejection: { consecutiveFailures: 2 }, budget: { burst: 100 } } },
  );
  for (let n = 0; n < 12; n++) {
    const result = mesh.call();
    await mesh.clock.advance(200);
    expect(await result).toMatchObject({ status: "0" });
  }
  expect(mesh.changes[0]).toBe("a ejected");
});

test("neither streams nor methods that may not be sent twice are cut", async () => {
  for (const traits of [
    { kind: "server_streaming", idempotent: true },
    { kind: "unary", idempotent: false },
  ] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "later", afterMs: 1_000, answer: ok }] }, { traits, policy });
    const result = mesh.call();
    await mesh.clock.advance(1_000);
    expect(await result).toMatchObject({ status: "0", attempts: undefined });
  }
});
