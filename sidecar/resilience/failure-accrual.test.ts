import { describe, expect, test } from "vitest";
import { defaultEjectionPolicy } from "../routing/policy/ejection-policy.ts";
import type { Verdict } from "./ejection-verdict.ts";
import {
  type Accrual,
  admitted,
  afterEjection,
  afterSend,
  afterVerdict,
  ejectionReason,
  mayTry,
} from "./failure-accrual.ts";

const policy = { ...defaultEjectionPolicy, consecutiveFailures: 3, maxMs: 4_000 };
const noRate = { calls: 0, failures: 0 };

/** What gate does with one verdict after the other. */
function judged(state: Accrual, verdicts: readonly Verdict[], nowMs: number, random = 0): Accrual {
  return verdicts.reduce((now, verdict) => {
    const reason = ejectionReason(now, verdict, policy, noRate);
    return reason === undefined ? afterVerdict(now, verdict, nowMs) : afterEjection(now, policy, { nowMs, random });
  }, state);
}

const ejected = judged(admitted, ["failure", "failure", "failure"], 0);

describe("failure accrual", () => {
  test("ejects after 3 failures in a row, not after 3 with a success between", () => {
    expect(judged(admitted, ["failure", "failure"], 0).state).toBe("admitted");
    expect(judged(admitted, ["failure", "failure", "success", "failure"], 0).state).toBe("admitted");
    expect(ejected).toEqual({ state: "ejected", untilMs: 1_000, ejections: 1 });
  });

  test("a shed call is neither a failure in a row nor the end of the row", () => {
    expect(judged(admitted, ["overload", "overload", "overload", "overload"], 0)).toEqual(admitted);
    expect(judged(admitted, ["failure", "overload", "failure", "overload", "failure"], 0).state).toBe("ejected");
  });

  test("too low a success rate ejects by a failure or a shed call, never by a success or a neutral end", () => {
    const low = { calls: 10, failures: 6 };
    expect(ejectionReason(admitted, "failure", policy, low)).toBe("success_rate");
    expect(ejectionReason(admitted, "overload", policy, low)).toBe("success_rate");
    for (const verdict of ["success", "neutral", "silence"] as const) {
      expect(ejectionReason(admitted, verdict, policy, low)).toBeUndefined();
    }
    expect(ejectionReason(admitted, "failure", { ...policy, successRatePercent: 0 }, low)).toBeUndefined();
  });

  test("0 failures in a row switches that rule off", () => {
    const off = { ...policy, consecutiveFailures: 0 };
    expect(ejectionReason({ ...admitted, failures: 99 } as Accrual, "failure", off, noRate)).toBeUndefined();
  });

  test("lets exactly one call probe when the ejection is over", () => {
    expect(mayTry(ejected, 999)).toBe(false);
    expect(mayTry(ejected, 1_000)).toBe(true);
    const probing = afterSend(ejected, 1_000);
    expect(probing.state).toBe("probing");
    expect(mayTry(probing, 1_001)).toBe(false);
    expect(afterSend(probing, 1_001)).toBe(probing);
  });

  test("a probe that hangs lets another call probe after 10 s", () => {
    const probing = afterSend(ejected, 1_000);
    expect(mayTry(probing, 10_999)).toBe(false);
    expect(mayTry(probing, 11_000)).toBe(true);
    expect(afterSend(probing, 11_000)).toMatchObject({ state: "probing", untilMs: 21_000 });
  });

  test("a failed, shed or silent probe ejects for twice as long, up to the cap; one that succeeds admits", () => {
    let state: Accrual = ejected;
    for (const [verdict, nowMs, lengthMs] of [
      ["failure", 1_000, 2_000],
      ["overload", 3_000, 4_000],
      ["silence", 7_000, 4_000],
    ] as const) {
      state = judged(afterSend(state, nowMs), [verdict], nowMs);
      expect(state).toMatchObject({ state: "ejected", untilMs: nowMs + lengthMs });
    }
    expect(judged(afterSend(state, 11_000), ["success"], 11_000)).toMatchObject({ state: "admitted", failures: 0 });
  });

  test("an ejection soon after the return is longer than the last one; after a window it is a first one again", () => {
    const back = judged(afterSend(ejected, 1_000), ["success"], 1_000);
    const failures = ["failure", "failure", "failure"] as const;
    expect(judged(back, failures, 11_000)).toMatchObject({ untilMs: 13_000, ejections: 2 });
    expect(judged(back, failures, 11_001)).toMatchObject({ untilMs: 12_001, ejections: 1 });
  });

  test("answers that arrive while ejected change nothing", () => {
    expect(judged(ejected, ["success", "failure"], 10)).toBe(ejected);
  });

  test("a probe without a verdict leaves the next call to probe", () => {
    const next = judged(afterSend(ejected, 1_000), ["neutral"], 1_500);
    expect(next.state).toBe("ejected");
    expect(mayTry(next, 1_500)).toBe(true);
  });

  test("jitter lengthens an ejection by at most half and never beyond the cap", () => {
    expect(judged(admitted, ["failure", "failure", "failure"], 0, 0.999)).toMatchObject({ untilMs: 1_499.5 });
    expect(
      judged(afterSend(judged(afterSend(ejected, 1_000), ["failure"], 1_000), 3_000), ["failure"], 3_000, 0.999),
    ).toMatchObject({ untilMs: 7_000 });
  });
});
