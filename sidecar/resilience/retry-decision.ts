// Whether a failed try may be followed by another: pure. A call that provably never ran may be sent again whatever it
// does; one that may have run only if its method is marked idempotent (RFC 9113 section 8.7, gRFC A6).

import type { FailureKind } from "../failure.ts";
import { failures } from "../failure.ts";
import { Status } from "../grpc/status.ts";

export interface RetryFacts {
  /** How the try ended. */
  readonly status: number;
  readonly failure: FailureKind | undefined;
  /** Tries so far, this one included. */
  readonly attempts: number;
  /** Tries among them that the peer refused, this one included. */
  readonly refusals: number;
  /** Endpoints that no try went to yet. */
  readonly untried: number;
  /** The route's tries after the first. */
  readonly retries: number;
  /** A call that may have run may be sent again. */
  readonly isIdempotent: boolean;
  /** Hops before this one already tried again; then this one does not, or tries would multiply. */
  readonly previousAttempts: number;
  /** The whole request so far can be sent again. */
  readonly isReplayable: boolean;
  /** Milliseconds until the deadline. */
  readonly leftMs: number;
}

/** Further tries of a call that was never sent, where no fresh endpoint is left: it costs nothing but time. */
export const maxUnsentTries = 3;

export function mayRetry(facts: RetryFacts): boolean {
  if (!facts.isReplayable || facts.leftMs <= 0) return false;
  const kind = facts.failure === undefined ? "idempotent" : failures[facts.failure].retry;
  if (kind === "never") return false;
  if (kind === "always") return facts.untried > 0 || facts.attempts <= maxUnsentTries;
  if (kind === "once" && facts.refusals <= 1) return true;
  if (facts.failure === undefined && facts.status !== Status.UNAVAILABLE) return false;
  if (facts.previousAttempts > 0) return false;
  return facts.isIdempotent && facts.attempts <= facts.retries;
}
