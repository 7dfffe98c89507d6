import { expect, test } from "vitest";
import { defaultRetryPolicy } from "../routing/policy/retry-policy.ts";
import { decideRetry, type RetryFacts } from "./retry-decision.ts";

const unavailable = { status: 14, httpStatus: 200, failure: undefined };
const base: RetryFacts = {
  outcome: unavailable,
  policy: defaultRetryPolicy,
  retriesMade: 0,
  refusals: 0,
  hasFresh: false,
  repeats: 0,
  isIdempotent: true,
  wasTriedBefore: false,
  isReplayable: true,
};

function failed(failure: "connect_failed" | "connection_lost" | "refused" | "try_timeout" | "no_endpoint") {
  return { ...unavailable, failure };
}

test("UNAVAILABLE from an idempotent method is tried again, twice", () => {
  expect([0, 1, 2].map((retriesMade) => decideRetry({ ...base, retriesMade }))).toEqual(["retry", "retry", "used_up"]);
});

test("a method that is not idempotent, or not known, is not sent again after it may have run", () => {
  for (const outcome of [unavailable, failed("connection_lost"), failed("try_timeout")]) {
    expect(decideRetry({ ...base, outcome })).toBe("retry");
    expect(decideRetry({ ...base, outcome, isIdempotent: false })).toBe("no");
  }
});

test("a call that was never sent goes to every fresh endpoint at once, and three times more where none is left", () => {
  const unsent = { ...base, isIdempotent: false, outcome: failed("connect_failed"), retriesMade: 9 };
  expect(decideRetry({ ...unsent, hasFresh: true, repeats: 9 })).toBe("at_once");
  const repeats = [0, 1, 2, 3].map((count) => decideRetry({ ...unsent, repeats: count }));
  expect(repeats).toEqual(["repeat", "repeat", "repeat", "no"]);
});

test("a call that was refused is sent again once whatever its method", () => {
  const refused = { ...base, isIdempotent: false, outcome: failed("refused"), retriesMade: 9 };
  expect(decideRetry({ ...refused, refusals: 1, hasFresh: true })).toBe("at_once");
  expect(decideRetry({ ...refused, refusals: 1 })).toBe("repeat");
  expect(decideRetry({ ...refused, refusals: 2 })).toBe("no");
  expect(decideRetry({ ...refused, refusals: 2, isIdempotent: true, retriesMade: 0 })).toBe("retry");
});

test("the application's own verdict is not tried again unless the policy names it", () => {
  for (const status of [0, 3, 4, 5, 9, 13]) {
    expect(decideRetry({ ...base, outcome: { ...unavailable, status } })).toBe("no");
  }
  const policy = { ...defaultRetryPolicy, statuses: [13], httpStatuses: [429] };
  expect(decideRetry({ ...base, policy, outcome: { ...unavailable, status: 13 } })).toBe("retry");
  expect(decideRetry({ ...base, policy })).toBe("no");
  expect(decideRetry({ ...base, policy, outcome: { ...unavailable, httpStatus: 429 } })).toBe("retry");
});

test("nothing is tried again when the request is no longer whole", () => {
  for (const outcome of [unavailable, failed("connect_failed"), failed("refused")]) {
    expect(decideRetry({ ...base, outcome, isReplayable: false })).toBe("no");
  }
});

test("a hop behind one that is already retrying does not retry too, unless the call never ran", () => {
  const behind = { ...base, wasTriedBefore: true, hasFresh: true, refusals: 1 };
  expect(decideRetry(behind)).toBe("no");
  expect(decideRetry({ ...behind, outcome: failed("connect_failed") })).toBe("at_once");
  expect(decideRetry({ ...behind, outcome: failed("refused") })).toBe("at_once");
});

test("an upstream that says not to try again is heeded; a time that it names makes nothing retryable", () => {
  expect(decideRetry({ ...base, outcome: { ...unavailable, pushbackMs: -1 } })).toBe("pushed_back");
  expect(decideRetry({ ...base, outcome: { ...unavailable, pushbackMs: 0 } })).toBe("retry");
  expect(decideRetry({ ...base, outcome: { ...unavailable, status: 3, pushbackMs: 0 } })).toBe("no");
});

test("a missing endpoint is not a reason to try again", () => {
  expect(decideRetry({ ...base, outcome: failed("no_endpoint"), hasFresh: true })).toBe("no");
});
