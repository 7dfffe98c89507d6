import { expect, test } from "vitest";
import { rebalance, type WorkerSpread } from "./rebalance.ts";

const spread = (connections: number, leaving = 0, isReady = true): WorkerSpread => ({ isReady, connections, leaving });

test("workers with about their share are left alone", () => {
  expect(rebalance([spread(10), spread(10)])).toEqual([0, 0]);
  expect(rebalance([spread(11), spread(9)])).toEqual([0, 0]);
  expect(rebalance([spread(120), spread(80)])).toEqual([0, 0]);
  expect(rebalance([spread(1), spread(0)])).toEqual([0, 0]);
  expect(rebalance([])).toEqual([]);
});

test("beside an empty worker a tenth goes at a time, at least one", () => {
  expect(rebalance([spread(100), spread(0)])).toEqual([10, 0]);
  expect(rebalance([spread(10), spread(0)])).toEqual([1, 0]);
});

test("those on their way out count for the tenth: while they stay no more are sent after them", () => {
  expect(rebalance([spread(100, 10), spread(0)])).toEqual([0, 0]);
  expect(rebalance([spread(100, 4), spread(0)])).toEqual([6, 0]);
});

test("never more go than are above the share", () => {
  expect(rebalance([spread(1300), spread(1000)])).toEqual([0, 0]);
  expect(rebalance([spread(1400, 0), spread(800), spread(1000)])).toEqual([140, 0, 0]);
  expect(rebalance([spread(40), spread(1), spread(1), spread(1), spread(157)])).toEqual([0, 0, 0, 0, 15]);
});

test("a worker that is not ready has no share and lets none go", () => {
  expect(rebalance([spread(20), spread(0, 0, false)])).toEqual([0, 0]);
});

test("clients that come back to the emptiest worker end up spread, and none loses over a tenth at once", () => {
  const counts = [200, 0, 0];
  for (let second = 0; second < 60; second++) {
    const going = rebalance(counts.map((count) => spread(count)));
    for (const [at, count] of going.entries()) {
      expect(count).toBeLessThanOrEqual(Math.max(1, counts[at]! / 10));
      for (let i = 0; i < count; i++) {
        counts[at]!--;
        counts[counts.indexOf(Math.min(...counts))]!++;
      }
    }
  }
  expect(Math.max(...counts)).toBeLessThanOrEqual(84);
  expect(counts.reduce((a, b) => a + b)).toBe(200);
});
