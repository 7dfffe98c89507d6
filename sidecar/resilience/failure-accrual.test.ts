import { describe, expect, test } from "vitest";
import { type Accrual, admitted, afterSend, afterVerdict, mayTry, type Verdict, verdictOf } from "./failure-accrual.ts";

const policy = { consecutiveFailures: 3, baseMs: 1_000, maxMs: 4_000 };

function judged(state: Accrual, verdicts: readonly Verdict[], nowMs: number, random = 0): Accrual {
  return verdicts.reduce((now, verdict) => afterVerdict(now, verdict, policy, { nowMs, random }), state);
}

describe("failure accrual", () => {
  test("ejects after 3 failures in a row, not after 3 with a success between", () => {
    expect(judged(admitted, ["failure", "failure"], 0).state).toBe("admitted");
    expect(judged(admitted, ["failure", "failure", "success", "failure"], 0).state).toBe("admitted");
    expect(judged(admitted, ["failure", "failure", "failure"], 0)).toEqual({
      state: "ejected",
      untilMs: 1_000,
      ejections: 1,
    });
  });

  test("lets exactly one call probe when the ejection is over", () => {
    const ejected = judged(admitted, ["failure", "failure", "failure"], 0);
    expect(mayTry(ejected, 999)).toBe(false);
    expect(mayTry(ejected, 1_000)).toBe(true);
    const probing = afterSend(ejected, 1_000);
    expect(probing.state).toBe("probing");
    expect(mayTry(probing, 1_001)).toBe(false);
  });

  test("a probe that succeeds admits again and forgets; one that fails ejects for twice as long, up to the cap", () => {
    let state = judged(admitted, ["failure", "failure", "failure"], 0);
    for (const [nowMs, lengthMs] of [
      [1_000, 2_000],
      [3_000, 4_000],
      [7_000, 4_000],
    ] as const) {
      state = judged(afterSend(state, nowMs), ["failure"], nowMs);
      expect(state).toMatchObject({ state: "ejected", untilMs: nowMs + lengthMs });
    }
    expect(judged(afterSend(state, 11_000), ["success"], 11_000)).toEqual(admitted);
  });

  test("answers that arrive while ejected change nothing", () => {
    const ejected = judged(admitted, ["failure", "failure", "failure"], 0);
    expect(judged(ejected, ["success", "failure"], 10)).toBe(ejected);
  });

  test("a probe without a verdict leaves the next call to probe", () => {
    const probing = afterSend(judged(admitted, ["failure", "failure", "failure"], 0), 1_000);
    const next = judged(probing, ["neutral"], 1_500);
    expect(mayTry(next, 1_500)).toBe(true);
  });

  test("jitter lengthens an ejection by at most half and never beyond the cap", () => {
    expect(judged(admitted, ["failure", "failure", "failure"], 0, 0.999)).toMatchObject({ untilMs: 1_499.5 });
  });

  test("NOT_FOUND is an answer, UNAVAILABLE a failure, a caller's cancel neither", () => {
    expect(verdictOf({ status: 5, httpStatus: 200, failure: undefined })).toBe("success");
    expect(verdictOf({ status: 14, httpStatus: 200, failure: undefined })).toBe("failure");
    expect(verdictOf({ status: 1, httpStatus: 0, failure: "cancelled" })).toBe("neutral");
  });
});
