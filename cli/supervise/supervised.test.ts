import { expect, test } from "vitest";
import { restartDelayMs } from "./supervised.ts";

test("a process that keeps ending is started again after 200 ms, then twice that, up to 5 s", () => {
  const delays: number[] = [];
  while (delays.length < 7) delays.push(restartDelayMs(delays.at(-1) ?? 0, 10));
  expect(delays).toEqual([200, 400, 800, 1600, 3200, 5000, 5000]);
});

test("30 s of running make the delay short again", () => {
  expect(restartDelayMs(5000, 30_000)).toBe(200);
  expect(restartDelayMs(5000, 29_999)).toBe(5000);
});
