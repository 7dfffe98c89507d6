import { expect, test } from "vitest";
import { restartDelayMs } from "./restart-delay.ts";

test("a worker that lived for long is replaced at once, whatever was before", () => {
  expect(restartDelayMs(5_000, 0)).toBe(0);
  expect(restartDelayMs(60_000, 10_000)).toBe(0);
});

test("workers that die within seconds are replaced after 100 ms, then twice as long each time, up to 10 s", () => {
  const delays: number[] = [];
  for (let i = 0; i < 9; i++) delays.push(restartDelayMs(20, delays.at(-1) ?? 0));
  expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
});
