import { describe, expect, test } from "vitest";
import { type Random, seededRandom } from "../../common/random.ts";
import { allowedShare, isRateTooLow, SuccessRate } from "./success-rate.ts";

const policy = { successRatePercent: 80, minCalls: 5 };
const windowMs = 10_000;

describe("the ring", () => {
  test("counts what was recorded in the window, to a tenth of it", () => {
    const rate = new SuccessRate();
    rate.record(true, 100, windowMs);
    rate.record(false, 1_500, windowMs);
    rate.record(false, 9_999, windowMs);
    expect([rate.calls, rate.failures]).toEqual([3, 1]);
    rate.record(false, 10_000, windowMs);
    expect([rate.calls, rate.failures]).toEqual([3, 0]);
    rate.record(true, 11_000, windowMs);
    expect([rate.calls, rate.failures]).toEqual([3, 1]);
  });

  test("forgets all after a window without calls, and what was before a change of its length", () => {
    const rate = new SuccessRate();
    rate.record(true, 0, windowMs);
    rate.record(false, 1e9, windowMs);
    expect([rate.calls, rate.failures]).toEqual([1, 0]);
    rate.record(true, 1e9, 5_000);
    expect([rate.calls, rate.failures]).toEqual([1, 1]);
    rate.clear();
    expect([rate.calls, rate.failures]).toEqual([0, 0]);
  });

  test("tells of the last part of the window as of now, whenever the last call was", () => {
    const rate = new SuccessRate();
    const of = (nowMs: number, part: number) => {
      const sum = { calls: 0, failures: 0 };
      rate.addTo(sum, nowMs, part);
      return [sum.calls, sum.failures];
    };
    expect(of(0, 1)).toEqual([0, 0]);
    rate.record(true, 500, windowMs);
    rate.record(false, 5_500, windowMs);
    rate.record(true, 6_500, windowMs);
    expect([of(6_600, 1), of(6_600, 0.2), of(7_600, 0.2), of(8_600, 0.2)]).toEqual([
      [3, 2],
      [2, 1],
      [1, 1],
      [0, 0],
    ]);
    expect([of(10_500, 1), of(15_500, 1), of(16_500, 1)]).toEqual([
      [2, 1],
      [1, 1],
      [0, 0],
    ]);
  });

  test("holds the same as a list of what happened, for 5,000 calls at random times", () => {
    const random = seededRandom(3);
    const rate = new SuccessRate();
    let events: { tick: number; isFailure: boolean }[] = [];
    let nowMs = 0;
    let wrong = 0;
    for (let i = 0; i < 5_000; i++) {
      nowMs += random() < 0.01 ? random() * 15_000 : random() * 50;
      const isFailure = random() < 0.3;
      const tick = Math.floor(nowMs / 1_000);
      rate.record(isFailure, nowMs, windowMs);
      events.push({ tick, isFailure });
      events = events.filter((event) => event.tick > tick - 10);
      const failures = events.filter((event) => event.isFailure).length;
      if (rate.calls !== events.length || rate.failures !== failures) wrong++;
    }
    expect(wrong).toBe(0);
  });
});

describe("too low", () => {
  test("is a share of failures above 20 % by two standard deviations, of 5 calls or more", () => {
    const fewest = (calls: number) => {
      let failures = 0;
      while (failures <= calls && !isRateTooLow({ calls, failures }, 0.2, policy)) failures++;
      return failures <= calls ? failures : undefined;
    };
    expect([4, 5, 10, 20, 50, 100, 1_000].map(fewest)).toEqual([undefined, 3, 5, 8, 16, 29, 226]);
  });

  test("is nothing when the rule is off", () => {
    expect(isRateTooLow({ calls: 100, failures: 100 }, 0.2, { successRatePercent: 0, minCalls: 1 })).toBe(false);
  });
});

/** When the rule would eject an endpoint that fails this share of its calls, milliseconds; Infinity: not in `forMs`. */
function ejectedAtMs(failing: number, perSecond: number, forMs: number, random: Random): number {
  const rate = new SuccessRate();
  for (let nowMs = 0; nowMs < forMs; nowMs += -Math.log(1 - random()) * (1_000 / perSecond)) {
    const isFailure = random() < failing;
    rate.record(isFailure, nowMs, windowMs);
    if (isFailure && isRateTooLow(rate, allowedShare(policy), policy)) return nowMs;
  }
  return Number.POSITIVE_INFINITY;
}

/** Of 300 endpoints that get calls at random, the times of ejection in order. */
function ejections(failing: number, perSecond: number, forMs: number): readonly number[] {
  const random = seededRandom(11);
  return Array.from({ length: 300 }, () => ejectedAtMs(failing, perSecond, forMs, random)).sort((a, b) => a - b);
}

describe("300 simulated endpoints", () => {
  test.each([
    [5, 8_000, 35_000],
    [20, 2_500, 12_000],
    [100, 500, 2_500],
  ])("at %i calls/s, failing 30 %: half are out within %i ms, 95 % within %i ms", (perSecond, halfMs, mostMs) => {
    const at = ejections(0.3, perSecond, 120_000);
    expect(at[150]).toBeLessThan(halfMs);
    expect(at[285]).toBeLessThan(mostMs);
  });

  test.each([5, 20, 100])("at %i calls/s, failing 50 %: 95 % are out within 10 s", (perSecond) => {
    expect(ejections(0.5, perSecond, 60_000)[285]).toBeLessThan(10_000);
  });

  test.each([5, 20, 100])("at %i calls/s, failing 10 %: at most 3 % are ever ejected within a minute", (perSecond) => {
    expect(ejections(0.1, perSecond, 60_000).filter(Number.isFinite).length).toBeLessThanOrEqual(9);
  });

  test("without the margin every fourth endpoint that fails 10 % would be ejected", () => {
    const random = seededRandom(11);
    let ejected = 0;
    for (let i = 0; i < 1_000; i++) {
      let failures = 0;
      for (let calls = 1; calls <= 50; calls++) {
        if (random() < 0.1) failures++;
        if (calls < 5 || failures <= 0.2 * calls) continue;
        ejected++;
        break;
      }
    }
    expect(ejected).toBeGreaterThan(200);
  });
});
