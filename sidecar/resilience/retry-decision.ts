// Whether a failed try may be followed by another: pure. A call that provably never ran may be sent again whatever it
// does; one that may have run only if its method is marked idempotent (RFC 9113 section 8.7, gRFC A6). Waits are
// retry-schedule.ts's, the budget is retry-budget.ts's.

import type { Outcome } from "../call.ts";
import { failures } from "../failure.ts";
import { Status } from "../grpc/status.ts";
import type { RetryPolicy } from "../routing/policy/retry-policy.ts";

export interface RetryFacts {
  /** How the try ended. */
  readonly outcome: Outcome;
  readonly policy: RetryPolicy;
  /** Retries made so far: what was sent again because it never ran is none. */
  readonly retriesMade: number;
  /** Tries that the peer refused, this one included. */
  readonly refusals: number;
  /** Another endpoint is left that no try went to. */
  readonly hasFresh: boolean;
  /** Tries so far that were made although no fresh endpoint was left, because the one before was never sent. */
  readonly repeats: number;
  /** A call that may have run may be sent again. */
  readonly isIdempotent: boolean;
  /** A hop before this one already tried again; then this one does not, or tries would multiply. */
  readonly wasTriedBefore: boolean;
  /** The whole request so far can be sent again. */
  readonly isReplayable: boolean;
}

/**
 * `at_once`: it never ran, and another endpoint may take it. `repeat`: it never ran, and there is no other endpoint:
 * the same one gets a moment. `retry`: it may have run, so it costs a retry, a wait and the budget.
 * `pushed_back`: it would be retried, but the upstream said not to. `used_up`: as many retries as may be were made.
 * `no`: this outcome is the caller's.
 */
export type RetryDecision = "no" | "used_up" | "at_once" | "repeat" | "retry" | "pushed_back";

/** Further tries of a call that was never sent, where no fresh endpoint is left: they cost nothing but time. */
export const maxRepeats = 3;

export function decideRetry(facts: RetryFacts): RetryDecision {
  const { outcome, policy } = facts;
  if (!facts.isReplayable) return "no";
  const kind = outcome.failure === undefined ? "idempotent" : failures[outcome.failure].retry;
  if (kind === "never") return "no";
  if (kind === "always") {
    if (facts.hasFresh) return "at_once";
    return facts.repeats < maxRepeats ? "repeat" : "no";
  }
  const isToldNot = outcome.pushbackMs !== undefined && outcome.pushbackMs < 0;
  // One that refuses and is alone is perhaps about to take another connection.
  if (kind === "once" && facts.refusals <= 1 && !isToldNot) return facts.hasFresh ? "at_once" : "repeat";
  if (outcome.failure === undefined && !isWorthRetry(outcome, policy)) return "no";
  if (facts.wasTriedBefore || !facts.isIdempotent || policy.retries === 0) return "no";
  if (facts.retriesMade >= policy.retries) return "used_up";
  return isToldNot ? "pushed_back" : "retry";
}

/** Whether the application's own answer may be bettered by another try. */
export function isWorthRetry({ status, httpStatus }: Outcome, policy: RetryPolicy): boolean {
  if (status === Status.OK) return false;
  return policy.statuses.includes(status) || policy.httpStatuses.includes(httpStatus);
}
