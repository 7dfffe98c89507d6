import { expect, test } from "vitest";
import { isCapped } from "./ejection-cap.ts";

const alone = { hasFailover: false };

test("one of 2 to 9 may be out, then 30 % rounded down, and never the last one", () => {
  const most = (size: number, maxPercent = 30) => {
    let out = 0;
    while (out < size && !isCapped({ size, out, ...alone }, maxPercent)) out++;
    return out;
  };
  expect([1, 2, 3, 4, 5, 6, 7, 8, 9].map((size) => most(size))).toEqual([0, 1, 1, 1, 1, 1, 2, 2, 2]);
  expect([10, 20, 100].map((size) => most(size))).toEqual([3, 6, 30]);
  expect([1, 2, 3, 10].map((size) => most(size, 100))).toEqual([0, 1, 2, 9]);
  expect([1, 2, 3, 100].map((size) => most(size, 1))).toEqual([0, 1, 1, 1]);
});

test("the last one may go when a failover target can take its calls", () => {
  expect(isCapped({ size: 1, out: 0, hasFailover: true }, 30)).toBe(false);
  expect(isCapped({ size: 2, out: 1, hasFailover: true }, 30)).toBe(true);
  expect(isCapped({ size: 2, out: 1, hasFailover: true }, 100)).toBe(false);
});
