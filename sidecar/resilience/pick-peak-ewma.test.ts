import { describe, expect, test } from "vitest";
import type { Random } from "../../common/random.ts";
import { pickLeastRequest } from "./pick-least-request.ts";
import { pickPeakEwma } from "./pick-peak-ewma.ts";
import {
  endpointOf,
  poolOf,
  type SimulatedEndpoint,
  type Simulation,
  simulateShares,
} from "./testing/load-simulation.ts";

/** Takes 10 ms on average, now more and now less. */
const usual: SimulatedEndpoint = { serveMs: about(10) };

function about(meanMs: number) {
  return (random: Random) => meanMs * (0.5 + random());
}

function shares(endpoints: readonly SimulatedEndpoint[], options: Partial<Simulation> = {}): readonly number[] {
  return simulateShares({
    ...{ endpoints, balancer: { kind: "peak_ewma" }, pick: pickPeakEwma },
    ...{ callsPerSecond: 500, calls: 20_000, ...options },
  });
}

describe("shares of 20,000 calls at 500 a second, seeded", () => {
  test("equal endpoints get equal shares, 20 % +- 2", () => {
    for (const share of shares([usual, usual, usual, usual, usual])) expect(Math.abs(share - 0.2)).toBeLessThan(0.02);
  });

  test("an endpoint that is 10 times slower than 4 others gets less than 1 %", () => {
    expect(shares([usual, usual, { serveMs: about(100) }, usual, usual])[2]).toBeLessThan(0.01);
  });

  test.each([20, 200, 500, 2_000])("weights 1:3 give 25 %% +- 2, at %i calls a second", (callsPerSecond) => {
    const endpoints = [{ ...usual }, { ...usual, weight: 3 }];
    expect(Math.abs(shares(endpoints, { callsPerSecond })[0]! - 0.25)).toBeLessThan(0.02);
  });

  test("a heavier endpoint that is 10 times slower does not keep its share", () => {
    expect(shares([usual, usual, { serveMs: about(100), weight: 3 }])[2]).toBeLessThan(0.1);
  });

  test("an endpoint that fails 20 times faster than others answer gets less than 1 %", () => {
    expect(shares([usual, { serveMs: () => 0.5, status: 14 }, usual])[1]).toBeLessThan(0.01);
  });

  test("an endpoint that never answers gets less than 1 %", () => {
    expect(shares([usual, { serveMs: undefined }, usual])[1]).toBeLessThan(0.01);
  });
});

describe("calls under way", () => {
  test("1,000 streams that do not end spread over 5 endpoints, none with more than a tenth above its part", () => {
    const { pool, ask } = poolOf(
      ["a", "b", "c", "d", "e"].map((id) => endpointOf(id)),
      { kind: "peak_ewma" },
    );
    for (let stream = 0; stream < 1_000; stream++) {
      const { state } = pool.members[pickPeakEwma(pool, ask)]!;
      ask.nowMs += 10;
      state.active++;
      state.load.replied(5, ask.nowMs);
    }
    for (const { state } of pool.members) expect(Math.abs(state.active - 200)).toBeLessThan(20);
  });

  test("an endpoint that nothing is known of gets one call, and no second before the first is answered", () => {
    const { pool, ask, stateOf } = poolOf(
      ["a", "b"].map((id) => endpointOf(id)),
      { kind: "peak_ewma" },
    );
    stateOf(0).load.replied(5, 0);
    expect(pickPeakEwma(pool, ask)).toBe(1);
    stateOf(1).active++;
    for (let call = 0; call < 20; call++) expect(pickPeakEwma(pool, ask)).toBe(0);
  });
});

describe("who may not be picked", () => {
  test("tried and ejected endpoints get nothing while another is left", () => {
    const { pool, ask, stateOf } = poolOf(
      ["a", "b", "c"].map((id) => endpointOf(id)),
      { kind: "peak_ewma" },
    );
    ask.tried = [endpointOf("b")];
    ask.out = new Set([stateOf(0)]);
    for (let call = 0; call < 50; call++) expect(pickPeakEwma(pool, ask)).toBe(2);
    ask.out = new Set([stateOf(0), stateOf(2)]);
    expect(pickPeakEwma(pool, ask)).toBe(-1);
  });

  test("among the 97 of 100 that are left each may be picked", () => {
    const { pool, ask, stateOf } = poolOf(
      Array.from({ length: 100 }, (_, index) => endpointOf(`e${index}`)),
      { kind: "peak_ewma" },
    );
    ask.out = new Set([0, 1, 2].map(stateOf));
    const picked = new Set(Array.from({ length: 5_000 }, () => pickPeakEwma(pool, ask)));
    expect(picked.size).toBe(97);
  });
});

describe("slow start", () => {
  test("of two equal endpoints the new one gets a tenth of the other's share at first, half of it half way", () => {
    const { pool, ask, stateOf } = poolOf(
      ["old", "new"].map((id) => endpointOf(id)),
      { kind: "peak_ewma" },
    );
    for (const index of [0, 1]) stateOf(index).load.replied(10, 100_000);
    stateOf(1).load.startSlowly(100_000);
    const shareAt = (ageMs: number, windowMs: number) => {
      ask.nowMs = 100_000 + ageMs;
      ask.slowStartMs = windowMs;
      let picked = 0;
      for (let call = 0; call < 10_000; call++) picked += pickPeakEwma(pool, ask);
      return picked / 10_000;
    };
    expect(shareAt(0, 10_000)).toBeCloseTo(0.1 / 1.1, 1);
    expect(shareAt(5_000, 10_000)).toBeCloseTo(0.5 / 1.5, 1);
    expect(shareAt(10_000, 10_000)).toBeCloseTo(0.5, 1);
    expect(shareAt(0, 0)).toBeCloseTo(0.5, 1);
  });

  test.each([
    ["peak_ewma", pickPeakEwma],
    ["least_request", pickLeastRequest(2)],
  ] as const)("a new endpoint is not flooded because old ones are busier (%s)", (_, pick) => {
    const { pool, ask, stateOf } = poolOf(
      ["old", "new"].map((id) => endpointOf(id)),
      { kind: "peak_ewma" },
    );
    for (const index of [0, 1]) stateOf(index).load.replied(10, 100_000);
    stateOf(1).load.startSlowly(100_000);
    stateOf(0).active = 4;
    [ask.nowMs, ask.slowStartMs] = [100_000, 10_000];
    let picked = 0;
    for (let call = 0; call < 10_000; call++) picked += pick(pool, ask);
    expect(picked / 10_000).toBeLessThan(0.12);
  });

  test("when all are warm a slower endpoint is avoided as without slow start", () => {
    const slow = { serveMs: about(20) };
    const options = { slowStartMs: 1, callsPerSecond: 50 };
    expect(shares([usual, slow], options)[1]).toBeCloseTo(shares([usual, slow], { callsPerSecond: 50 })[1]!, 1);
  });
});
