import { expect, test } from "vitest";
import { defaultRetryPolicy } from "../routing/policy/retry-policy.ts";
import { waitBeforeRetry } from "./retry-schedule.ts";

const retries = [1, 2, 3, 4, 5, 6, 100];

test("jitter waits a random part of 25 ms that doubles, up to 250 ms", () => {
  expect(retries.map((n) => waitBeforeRetry(defaultRetryPolicy, n, 0))).toEqual(retries.map(() => 0));
  const half = retries.map((n) => waitBeforeRetry(defaultRetryPolicy, n, 0.5));
  expect(half).toEqual([12.5, 25, 50, 100, 125, 125, 125]);
});

test("base and maximum are the policy's", () => {
  const policy = { ...defaultRetryPolicy, baseMs: 100, maxMs: 300 };
  expect([1, 2, 3].map((n) => waitBeforeRetry(policy, n, 0.5))).toEqual([50, 100, 150]);
});

test("the talk's schedule waits 0, 2, 4, 8 seconds whatever chance says", () => {
  for (const random of [0, 0.999]) {
    const waits = [1, 2, 3, 4].map((n) => waitBeforeRetry({ ...defaultRetryPolicy, schedule: "talk" }, n, random));
    expect(waits).toEqual([0, 2_000, 4_000, 8_000]);
  }
});
