// What hedging gains and costs, by seeded simulation on the real stack; the clock stands still between events.

import { describe, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import type { Answer } from "./testing/scripted-exchange.ts";
import { ScriptedMesh } from "./testing/scripted-mesh.ts";

const idempotent = { kind: "unary", idempotent: true } as const;
const ok: Answer = { kind: "status", status: 0, message: "x" };

describe("simulation at 200 rps to five endpoints", () => {
  /** Latencies as callers saw them, and what the endpoints got. */
  async function simulate(percentile: number, seed: number) {
    const mesh = new ScriptedMesh();
    const random = seededRandom(seed);
    const answers = Object.fromEntries(["a", "b", "c", "d", "e"].map((id) => [id, [ok]]));
    mesh.serve(answers, { traits: idempotent, policy: { hedge: { percentile } } });
    // Bimodal: 5 to 15 ms, and now and then a pause of 300 ms more.
    mesh.delayMs = () => 5 + 10 * random() + (random() < 0.03 ? 300 : 0);
    const latenciesMs: number[] = [];
    const calls = 20_000;
    for (let i = 0; i < calls; i++) {
      const startMs = mesh.clock.nowMs();
      void mesh.call().then((result) => {
        expect(result.status).toBe("0");
        latenciesMs.push(mesh.clock.nowMs() - startMs);
      });
      await mesh.clock.advance(5);
    }
    await mesh.clock.advance(1_000);
    latenciesMs.sort((a, b) => a - b);
    const at = (share: number) => latenciesMs[Math.floor(share * latenciesMs.length)]!;
    return { p50Ms: at(0.5), p99Ms: at(0.99), load: mesh.sent.length / calls };
  }

  // Long: 40,000 calls with real promises; the clock itself stands still.
  test("3 % of 20,000 answers 300 ms late: p99 falls 8 times or more for at most 6 % more load", {
    timeout: 60_000,
  }, async () => {
    const plain = await simulate(0, 11);
    const hedged = await simulate(95, 11);
    process.stdout.write(`without ${JSON.stringify(plain)}, hedged at p95 ${JSON.stringify(hedged)}\n`);
    expect(plain.load).toBe(1);
    expect(plain.p99Ms / hedged.p99Ms).toBeGreaterThan(8);
    expect(hedged.load).toBeLessThan(1.06);
    expect(hedged.p50Ms / plain.p50Ms).toBeLessThan(1.05);
  });

  test("when all endpoints turn slow at once, hedges add a fifth to the load and no more", async () => {
    const mesh = new ScriptedMesh();
    const random = seededRandom(3);
    const answers = Object.fromEntries(["a", "b", "c", "d", "e"].map((id) => [id, [ok]]));
    mesh.serve(answers, { traits: idempotent, policy: { hedge: { percentile: 95 } } });
    let factor = 1;
    mesh.delayMs = () => factor * (5 + 10 * random());
    const phases: number[] = [];
    for (const slow of [1, 10]) {
      factor = slow;
      const before = mesh.sent.length;
      for (let i = 0; i < 2_000; i++) {
        void mesh.call();
        await mesh.clock.advance(5);
      }
      await mesh.clock.advance(500);
      phases.push((mesh.sent.length - before) / 2_000);
    }
    expect(phases[0]).toBeLessThan(1.06);
    expect(phases[1]).toBeGreaterThan(1.1);
    expect(phases[1]).toBeLessThan(1.21);
  });
});
