import { expect, test } from "vitest";
import { mayRetry, type RetryFacts } from "./retry-decision.ts";

const base: RetryFacts = {
  status: 14,
  failure: undefined,
  attempts: 1,
  refusals: 0,
  untried: 0,
  retries: 1,
  isIdempotent: true,
  previousAttempts: 0,
  isReplayable: true,
  leftMs: 1_000,
};

test("UNAVAILABLE from an idempotent method is tried once more", () => {
  expect(mayRetry(base)).toBe(true);
  expect(mayRetry({ ...base, attempts: 2 })).toBe(false);
});

test("a method that is not idempotent, or not known, is not sent again after it may have run", () => {
  expect(mayRetry({ ...base, isIdempotent: false })).toBe(false);
  expect(mayRetry({ ...base, isIdempotent: false, failure: "connection_lost" })).toBe(false);
});

test("a call that was never sent is sent to every fresh endpoint, and three times more where none is left", () => {
  const unsent = { ...base, isIdempotent: false, failure: "connect_failed", retries: 0 } as const;
  expect([1, 2, 3, 4].map((attempts) => mayRetry({ ...unsent, attempts }))).toEqual([true, true, true, false]);
  expect(mayRetry({ ...unsent, attempts: 9, untried: 1 })).toBe(true);
});

test("a call that was refused is sent again once whatever its method", () => {
  const refused = { ...base, isIdempotent: false, failure: "refused", retries: 0, untried: 3 } as const;
  expect(mayRetry({ ...refused, refusals: 1 })).toBe(true);
  expect(mayRetry({ ...refused, refusals: 2, attempts: 2 })).toBe(false);
});

test("the application's own verdict is not tried again unless it is UNAVAILABLE", () => {
  for (const status of [3, 4, 5, 9, 13]) expect(mayRetry({ ...base, status })).toBe(false);
});

test("nothing is tried again past the deadline, or when the request is no longer whole", () => {
  expect(mayRetry({ ...base, leftMs: 0 })).toBe(false);
  expect(mayRetry({ ...base, isReplayable: false })).toBe(false);
});

test("a hop behind one that is already retrying does not retry too", () => {
  expect(mayRetry({ ...base, previousAttempts: 1 })).toBe(false);
  expect(mayRetry({ ...base, previousAttempts: 1, failure: "connect_failed" })).toBe(true);
});

test("a missing endpoint is not a reason to try again", () => {
  expect(mayRetry({ ...base, failure: "no_endpoint" })).toBe(false);
});
