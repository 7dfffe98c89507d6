import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { pushbackMs } from "./limit-refusal.ts";

test("a pushback is 100 to 300 ms when every place is taken, twice that when as many wait, in steps of 25", () => {
  const random = seededRandom(1);
  const full = Array.from({ length: 1_000 }, () => pushbackMs(1, random()));
  const waiting = Array.from({ length: 1_000 }, () => pushbackMs(2, random()));
  expect([Math.min(...full), Math.max(...full)]).toEqual([100, 300]);
  expect([Math.min(...waiting), Math.max(...waiting)]).toEqual([200, 600]);
  expect(new Set([...full, ...waiting].map((ms) => ms % 25))).toEqual(new Set([0]));
  expect(pushbackMs(50, 0.999)).toBe(600);
  expect(pushbackMs(0, 0)).toBe(25);
});
