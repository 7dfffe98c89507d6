import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { defaultBudgetPolicy } from "../routing/policy/budget-policy.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const unavailable: Answer = { kind: "trailers_only", status: 14 };
const ok: Answer = { kind: "status", status: 0, message: "fine" };
const traits = { kind: "unary", idempotent: true } as const;
const noEjection = { ejection: { consecutiveFailures: 0, successRate: 0 } } as Record<string, object>;

test("when the budget is spent the last answer is the caller's, and the decision is noted", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [unavailable], b: [unavailable] }, { traits, policy: { ...noEjection, retry: { retries: 9 } } });
  expect(await mesh.call()).toMatchObject({ status: "14", attempts: "4" });
  expect(mesh.decisions).toEqual(["retry", "retry", "retry", "retry_budget_spent"]);
  await mesh.clock.advance(1_000);
  expect(await mesh.call()).toMatchObject({ status: "14", attempts: "2" });
});

test("what never ran is sent again without a budget", async () => {
  for (const kind of ["refuse_connection", "refuse_stream"] as const) {
    const mesh = new ScriptedMesh();
    const policy = { budget: { percent: 0, floorPerSecond: 0, burst: 0 } };
    mesh.serve({ a: [{ kind }], b: [ok] }, { traits, policy });
    expect(await mesh.call()).toMatchObject({ status: "0", attempts: "2" });
  }
});

test("a new snapshot forgives no debt", async () => {
  const mesh = new ScriptedMesh();
  const options = { traits, policy: { ...noEjection, retry: { retries: 9 } } };
  mesh.serve({ a: [unavailable] }, options);
  expect(await mesh.call()).toMatchObject({ attempts: "4" });
  mesh.serve({ a: [unavailable], b: [unavailable] }, options);
  expect(await mesh.call()).toMatchObject({ status: "14", attempts: undefined });
});

/** Plays about 200 calls a second for 15 s, which is longer than the window, so that old deposits cannot help. */
async function load(scripts: Record<string, Answer[]>) {
  const mesh = new ScriptedMesh();
  mesh.serve(scripts, { traits, policy: noEjection });
  const random = seededRandom(3);
  let calls = 0;
  for (let nowMs = 0; nowMs < 15_000; nowMs += 10) {
    for (let n = Math.floor(random() * 5); n > 0; n--) {
      calls++;
      void mesh.call();
    }
    await mesh.clock.advance(10);
  }
  expect(calls / 15).toBeGreaterThan(190);
  return { calls, sent: mesh.sent.length };
}

test("where more fails than the budget can retry, load grows by a fifth and the burst at 200/s", async () => {
  const { percent, burst } = defaultBudgetPolicy;
  const { calls, sent } = await load({ a: [unavailable], b: [ok], c: [unavailable], d: [ok], e: [ok] });
  expect(sent).toBeLessThanOrEqual(calls * (1 + percent / 100) + burst);
  // No tolerance upwards; downwards 1 %: the budget is there to be used.
  expect(sent).toBeGreaterThan(calls * 1.19);
});

test("where everything fails, retries end within a second, but for the burst", async () => {
  const { calls, sent } = await load({ a: [unavailable], b: [unavailable], c: [unavailable] });
  expect(sent).toBeLessThanOrEqual(calls + 10 + defaultBudgetPolicy.burst);
  expect(sent).toBeGreaterThan(calls);
});

test("an endpoint of three that fails all its calls costs nobody an answer while the budget holds", async () => {
  const mesh = new ScriptedMesh();
  // It begins well. Ejection takes it out after a few failures; until then and at its probes retries answer.
  mesh.serve({ a: [...Array<Answer>(30).fill(ok), unavailable], b: [ok], c: [ok] }, { traits });
  const statuses: (string | undefined)[] = [];
  for (let n = 0; n < 300; n++) {
    statuses.push((await mesh.call()).status);
    await mesh.clock.advance(5);
  }
  expect(statuses.filter((status) => status !== "0")).toEqual([]);
});
