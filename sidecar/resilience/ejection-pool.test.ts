import { describe, expect, test } from "vitest";
import { defaultEjectionPolicy } from "../routing/policy/ejection-policy.ts";
import { isCapped, isWorse, type PoolReading } from "./ejection-pool.ts";

const policy = defaultEjectionPolicy;
const none = { calls: 0, failures: 0 };
const pool: PoolReading = { size: 3, out: 0, hasFailover: false, lately: none, others: none, othersLately: none };

describe("the cap", () => {
  test("one of 2 to 9 may be out, then 30 % rounded down, and never the last one", () => {
    const most = (size: number, maxPercent = 30) => {
      let out = 0;
      while (out < size && !isCapped({ ...pool, size, out }, maxPercent)) out++;
      return out;
    };
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9].map((size) => most(size))).toEqual([0, 1, 1, 1, 1, 1, 2, 2, 2]);
    expect([10, 20, 100].map((size) => most(size))).toEqual([3, 6, 30]);
    expect([1, 2, 3, 10].map((size) => most(size, 100))).toEqual([0, 1, 2, 9]);
    expect([1, 2, 3, 100].map((size) => most(size, 1))).toEqual([0, 1, 1, 1]);
  });

  test("the last one may go when a failover target can take its calls", () => {
    expect(isCapped({ ...pool, size: 1, hasFailover: true }, 30)).toBe(false);
    expect(isCapped({ ...pool, size: 2, out: 1, hasFailover: true }, 30)).toBe(true);
    expect(isCapped({ ...pool, size: 2, out: 1, hasFailover: true }, 100)).toBe(false);
  });
});

describe("worse than the others", () => {
  /** The shortest row that ejects, while the others fail this share of 100 calls lately. */
  function row(failures: number, lately = none): number {
    const reading = { ...pool, lately, othersLately: { calls: 100, failures } };
    for (let inARow = 1; inARow < 1_000; inARow++) if (isWorse({ inARow, rate: none }, reading, policy)) return inARow;
    return Number.POSITIVE_INFINITY;
  }

  test("needs the longer a row the more of the others' calls fail, and none is long enough when all do", () => {
    expect([0, 10, 20, 30, 50, 90, 100].map((failures) => row(failures))).toEqual([5, 5, 5, 7, 12, 77, Infinity]);
  });

  test("a success rate that is switched off or 100 % leaves the row what it is", () => {
    const others = { ...pool, othersLately: { calls: 100, failures: 50 } };
    for (const successRatePercent of [0, 100]) {
      const changed = { ...policy, successRatePercent };
      expect(isWorse({ inARow: 11, rate: none }, others, changed)).toBe(false);
      expect(isWorse({ inARow: 12, rate: none }, others, changed)).toBe(true);
    }
    const perfect = { ...policy, successRatePercent: 100 };
    expect(isWorse({ inARow: 0, rate: { calls: 100, failures: 1 } }, pool, perfect)).toBe(true);
    expect(isWorse({ inARow: 0, rate: { calls: 100, failures: 0 } }, pool, perfect)).toBe(false);
  });

  test("needs a row of half a second where there are many calls", () => {
    const lately = (calls: number) => ({ calls, failures: 0 });
    expect([0, 20, 40, 200, 2_000].map((calls) => row(0, lately(calls)))).toEqual([5, 5, 10, 50, 500]);
  });

  test("needs twice the share of failures that the others have", () => {
    const isWorseAt = (failures: number, others: number) =>
      isWorse(
        { inARow: 0, rate: { calls: 1_000, failures } },
        { ...pool, others: { calls: 1_000, failures: others } },
        policy,
      );
    expect([isWorseAt(230, 50), isWorseAt(300, 200), isWorseAt(440, 200), isWorseAt(1_000, 500)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("fewer calls of the others than ferry_eject_min_calls say nothing", () => {
    const reading = { ...pool, others: { calls: 4, failures: 4 }, othersLately: { calls: 4, failures: 4 } };
    expect(isWorse({ inARow: 5, rate: none }, reading, policy)).toBe(true);
    expect(isWorse({ inARow: 0, rate: { calls: 10, failures: 5 } }, reading, policy)).toBe(true);
  });
});
