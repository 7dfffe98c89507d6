// When an endpoint is taken out of rotation and how it comes back: pure states and transitions, driven by verdicts and
// time. An endpoint is `admitted` until it has failed N times in a row or too large a share of its calls has; then
// `ejected` for a time that doubles with each ejection; then `probing`: one call may try it, and its outcome decides.
// The words never flip: "open" and "closed" are not used. What a verdict is: ejection-verdict.ts. Used by gate.
// (reference: linkerd2-proxy's consecutive-failures and unified policies)

import type { EjectionPolicy } from "../routing/policy/ejection-policy.ts";
import type { Verdict } from "./ejection-verdict.ts";
import { allowedShare, isRateTooLow, type RateReading } from "./success-rate.ts";

export type Accrual =
  /** `ejections`: how many there were, each soon after the one before; `sinceMs`: the end of the last one. */
  | { readonly state: "admitted"; readonly failures: number; readonly ejections: number; readonly sinceMs: number }
  | { readonly state: "ejected"; readonly untilMs: number; readonly ejections: number }
  /** `untilMs`: when another call may probe although this one has neither ended nor failed. */
  | { readonly state: "probing"; readonly untilMs: number; readonly ejections: number };

export const admitted: Accrual = { state: "admitted", failures: 0, ejections: 0, sinceMs: 0 };

/** Which rule ejects: failures in a row, the share of failures, or a probe that failed. */
export type EjectionReason = "consecutive" | "success_rate" | "probe";

/**
 * How long a probe is waited for before the next call may probe as well, milliseconds: a call without a deadline may
 * hang, and the endpoint would stay out for ever.
 */
const probeLeaseMs = 10_000;

/** Why a verdict would eject, by the endpoint alone; undefined when it would not. `rate`: this call included. */
export function ejectionReason(
  now: Accrual,
  verdict: Verdict,
  policy: EjectionPolicy,
  rate: RateReading,
): EjectionReason | undefined {
  if (verdict === "success" || verdict === "neutral") return undefined;
  if (now.state === "probing") return "probe";
  if (now.state === "ejected" || verdict === "silence") return undefined;
  if (verdict === "failure" && policy.consecutiveFailures > 0 && now.failures + 1 >= policy.consecutiveFailures) {
    return "consecutive";
  }
  return isRateTooLow(rate, allowedShare(policy), policy) ? "success_rate" : undefined;
}

/** The state after a verdict that does not eject. */
export function afterVerdict(now: Accrual, verdict: Verdict, nowMs: number): Accrual {
  switch (now.state) {
    // An answer to a call that began before the ejection is old news.
    case "ejected":
      return now;
    case "probing":
      if (verdict === "success") return { state: "admitted", failures: 0, ejections: now.ejections, sinceMs: nowMs };
      // A probe without a verdict is no proof: let the next call probe.
      return { state: "ejected", untilMs: nowMs, ejections: now.ejections };
    case "admitted":
      if (verdict === "failure") return { ...now, failures: now.failures + 1 };
      return verdict === "success" && now.failures > 0 ? { ...now, failures: 0 } : now;
  }
}

/**
 * The state after an ejection. The first lasts `baseMs`, each further one twice as long; one that comes later than a
 * window after the last is a first one again. `random` in [0, 1) spreads the ends by up to half the length.
 */
export function afterEjection(
  now: Accrual,
  policy: EjectionPolicy,
  at: { readonly nowMs: number; readonly random: number },
): Accrual & { readonly state: "ejected" } {
  const isLongAgo = now.state === "admitted" && at.nowMs - now.sinceMs > policy.windowMs;
  const before = isLongAgo ? 0 : now.ejections;
  const lengthMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(before, 30));
  const untilMs = at.nowMs + Math.min(policy.maxMs, lengthMs * (1 + at.random / 2));
  return { state: "ejected", untilMs, ejections: before + 1 };
}

/** Whether a call may be sent now: always when admitted, once when an ejection is over. */
export function mayTry(now: Accrual, nowMs: number): boolean {
  return now.state === "admitted" || nowMs >= now.untilMs;
}

/** The state when a call is sent: the first one after an ejection is the probe. */
export function afterSend(now: Accrual, nowMs: number): Accrual {
  if (now.state === "admitted" || nowMs < now.untilMs) return now;
  return { state: "probing", untilMs: nowMs + probeLeaseMs, ejections: now.ejections };
}
