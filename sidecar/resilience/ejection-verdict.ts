// What the end of a try says about the endpoint it went to: once about the method that was called, and once about the
// endpoint as a whole. Fed to failure-accrual.ts by gate. Pure.
//
// Two answers, because one broken method must not take an endpoint out for the others, and a process that is gone fails
// them all: what never got through to the application (connect_failed, connect_timeout, connection_lost) concerns the
// endpoint, everything else the method. A caller that gives up at its deadline comes here as deadline_exceeded
// (as-failure.ts), and so counts as the endpoint's timeout; one that gives up earlier says nothing.

import type { Outcome } from "../call.ts";
import { failures } from "../failure.ts";
import { Status } from "../grpc/status.ts";

/**
 * `overload`: counts in the success rate and fails a probe, but is not one of the failures in a row: an endpoint that
 * sheds works. `silence`: fails a probe and is nothing otherwise. `neutral`: says nothing about the endpoint.
 */
export type Verdict = "success" | "failure" | "overload" | "silence" | "neutral";

/** About the method at this endpoint. */
export function methodVerdict(outcome: Outcome): Verdict {
  const { failure, status } = outcome;
  if (failure !== undefined) {
    switch (failure) {
      case "connect_failed":
      case "connect_timeout":
      case "connection_lost":
      case "drain_timeout":
      case "refused":
      case "superseded":
        return "neutral";
      case "cancelled_by_upstream":
        return "failure";
      case "overloaded":
        return "overload";
    }
    const { fault } = failures[failure];
    if (fault === "caller" || fault === "config") return "neutral";
  }
  switch (status) {
    case Status.UNAVAILABLE:
    case Status.INTERNAL:
    case Status.UNKNOWN:
    case Status.DATA_LOSS:
    case Status.DEADLINE_EXCEEDED:
      return "failure";
    case Status.RESOURCE_EXHAUSTED:
      return "overload";
    case Status.CANCELLED:
      return "neutral";
    default:
      return "success";
  }
}

/** About the endpoint as a whole. Any sign of life is a success, whatever the application said. */
export function endpointVerdict(outcome: Outcome): Verdict {
  switch (outcome.failure) {
    case "connect_failed":
    case "connect_timeout":
    case "connection_lost":
      return "failure";
    case undefined:
    case "overloaded":
    case "rate_limited":
    case "cancelled_by_upstream":
    case "reset_by_upstream":
    case "upstream_overloaded":
      return "success";
    case "deadline_exceeded":
      return outcome.httpStatus === 0 ? "silence" : "success";
    default:
      return outcome.httpStatus === 0 ? "neutral" : "success";
  }
}
