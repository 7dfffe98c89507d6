// When an endpoint is taken out of rotation and how it comes back: pure states and transitions, driven by outcomes and
// time. An endpoint is `admitted` until it has failed N times in a row; then `ejected` for a time that doubles with
// each ejection; then `probing`: one call may try it, and its outcome decides. The words never flip: "open" and
// "closed" are not used. (reference: linkerd2-proxy's consecutive-failures policy)

import type { Outcome } from "../call.ts";
import { Status } from "../grpc/status.ts";
import type { EjectionPolicy } from "../routing/policy/ejection-policy.ts";

export type Accrual =
  | { readonly state: "admitted"; readonly failures: number; readonly ejections: number }
  | { readonly state: "ejected"; readonly untilMs: number; readonly ejections: number }
  | { readonly state: "probing"; readonly ejections: number };

export const admitted: Accrual = { state: "admitted", failures: 0, ejections: 0 };

/** What the policy makes of a verdict: `neutral` says nothing about the endpoint. */
export type Verdict = "success" | "failure" | "neutral";

/** Judges an outcome as evidence about an endpoint. */
export function verdictOf(outcome: Outcome): Verdict {
  switch (outcome.failure) {
    case "cancelled":
    case "superseded":
    case "bad_request":
    case "drain_timeout":
    case "refused":
      return "neutral";
  }
  switch (outcome.status) {
    case Status.UNAVAILABLE:
    case Status.INTERNAL:
    case Status.UNKNOWN:
    case Status.DATA_LOSS:
    case Status.DEADLINE_EXCEEDED:
      return "failure";
    case Status.CANCELLED:
    case Status.RESOURCE_EXHAUSTED:
      return "neutral";
    default:
      return "success";
  }
}

/** The state after a verdict. `random` in [0, 1) spreads the ends of ejections by up to half their length. */
export function afterVerdict(
  now: Accrual,
  verdict: Verdict,
  policy: EjectionPolicy,
  at: { readonly nowMs: number; readonly random: number },
): Accrual {
  // An answer to a call that began before the ejection is old news.
  if (now.state === "ejected") return now;
  if (verdict === "neutral") {
    // A probe without a verdict is no proof: let the next call probe.
    return now.state === "probing" ? { state: "ejected", untilMs: at.nowMs, ejections: now.ejections } : now;
  }
  if (verdict === "success") return now.state === "admitted" && now.failures === 0 ? now : admitted;
  const failures = now.state === "admitted" ? now.failures + 1 : policy.consecutiveFailures;
  if (policy.consecutiveFailures === 0 || failures < policy.consecutiveFailures) {
    return { state: "admitted", failures, ejections: now.ejections };
  }
  const lengthMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(now.ejections, 30));
  const untilMs = at.nowMs + Math.min(policy.maxMs, lengthMs * (1 + at.random / 2));
  return { state: "ejected", untilMs, ejections: now.ejections + 1 };
}

/** Whether a call may be sent now: always when admitted, once when an ejection is over. */
export function mayTry(now: Accrual, nowMs: number): boolean {
  return now.state === "admitted" || (now.state === "ejected" && nowMs >= now.untilMs);
}

/** The state when a call is sent: the first one after an ejection is the probe. */
export function afterSend(now: Accrual, nowMs: number): Accrual {
  return now.state === "ejected" && nowMs >= now.untilMs ? { state: "probing", ejections: now.ejections } : now;
}
