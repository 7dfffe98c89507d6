// The closed table of what can go wrong at Ferry itself. A reply that Ferry makes carries its kind in
// `x-ferry-failure`; the kind is also the metric's label and the anchor in docs/reference/failures.md, which is
// generated from this table. A new kind does not compile until every column is filled.

import { Status } from "./grpc/status.ts";

/** Whose fault it is, as far as this hop can tell. */
export type Fault = "caller" | "ferry" | "config" | "upstream";

/**
 * What may be done with a failed try. `always`: the request was never sent. `once`: it was sent and provably never ran;
 * who is refused twice is told. `idempotent`: it may have run, so only a method marked idempotent is sent again.
 * `never`: another try cannot help. (RFC 9113 section 8.7, gRFC A6)
 */
export type Retry = "always" | "once" | "idempotent" | "never";

export interface FailureRow {
  /** The gRPC status that the caller sees. */
  readonly status: Status;
  /** The HTTP status that a caller sees whose request was not gRPC. */
  readonly httpStatus: number;
  readonly retry: Retry;
  readonly fault: Fault;
  /** One sentence for people: what happened and what to do. */
  readonly sentence: string;
}

export const failures = {
  bad_request: {
    status: Status.INTERNAL,
    httpStatus: 400,
    retry: "never",
    fault: "caller",
    sentence: "The request's header is not well-formed gRPC, for example its grpc-timeout; correct the client.",
  },
  no_route: {
    status: Status.UNIMPLEMENTED,
    httpStatus: 404,
    retry: "never",
    fault: "config",
    sentence: "No route matches this path and authority; check service-router entries and what is registered.",
  },
  no_endpoint: {
    status: Status.UNAVAILABLE,
    httpStatus: 503,
    retry: "never",
    fault: "upstream",
    sentence: "The route's target has no healthy instance; see `ferry status` for what is registered and why not.",
  },
  connect_failed: {
    status: Status.UNAVAILABLE,
    httpStatus: 503,
    retry: "always",
    fault: "upstream",
    sentence: "The instance could not be reached: it refused the connection or did not speak HTTP/2.",
  },
  connect_timeout: {
    status: Status.UNAVAILABLE,
    httpStatus: 503,
    retry: "always",
    fault: "upstream",
    sentence: "The instance did not accept a connection in time.",
  },
  refused: {
    status: Status.UNAVAILABLE,
    httpStatus: 503,
    retry: "once",
    fault: "upstream",
    sentence: "The instance refused the call before it began to work on it, for example while it drains.",
  },
  header_too_large: {
    status: Status.RESOURCE_EXHAUSTED,
    httpStatus: 431,
    retry: "never",
    fault: "caller",
    sentence:
      "The request's header is larger than the instance or this sidecar accepts; send less metadata or raise the limit.",
  },
  connection_lost: {
    status: Status.UNAVAILABLE,
    httpStatus: 502,
    retry: "idempotent",
    fault: "upstream",
    sentence: "The connection to the instance broke while it worked on the call; the call may have taken effect.",
  },
  reset_by_upstream: {
    status: Status.INTERNAL,
    httpStatus: 502,
    retry: "idempotent",
    fault: "upstream",
    sentence: "The instance broke the call off without a status; the call may have taken effect.",
  },
  cancelled_by_upstream: {
    status: Status.CANCELLED,
    httpStatus: 502,
    retry: "idempotent",
    fault: "upstream",
    sentence: "The instance cancelled the call (RST_STREAM with CANCEL); the call may have taken effect.",
  },
  upstream_overloaded: {
    status: Status.RESOURCE_EXHAUSTED,
    httpStatus: 503,
    retry: "never",
    fault: "upstream",
    sentence: "The instance broke the call off because it gets too much (ENHANCE_YOUR_CALM); send less.",
  },
  upstream_protocol: {
    status: Status.INTERNAL,
    httpStatus: 502,
    retry: "idempotent",
    fault: "upstream",
    sentence: "The instance answered with something that is not valid HTTP/2 or gRPC.",
  },
  deadline_exceeded: {
    status: Status.DEADLINE_EXCEEDED,
    httpStatus: 504,
    retry: "never",
    fault: "upstream",
    sentence: "The caller's deadline passed before the reply was complete; the upstream call was cancelled.",
  },
  try_timeout: {
    status: Status.DEADLINE_EXCEEDED,
    httpStatus: 504,
    retry: "idempotent",
    fault: "upstream",
    sentence:
      "The instance did not answer within the time of one try (`ferry_try_timeout`), and no other try was left.",
  },
  deadline_too_short: {
    status: Status.DEADLINE_EXCEEDED,
    httpStatus: 504,
    retry: "never",
    fault: "caller",
    sentence:
      "The call had less time left than half of its method's calls take, so it was not sent; allow more time, or see `ferry_early_refusal`.",
  },
  cancelled: {
    status: Status.CANCELLED,
    httpStatus: 499,
    retry: "never",
    fault: "caller",
    sentence: "The caller went away; the upstream call was cancelled.",
  },
  superseded: {
    status: Status.CANCELLED,
    httpStatus: 499,
    retry: "never",
    fault: "ferry",
    sentence: "Another try of the same call was answered first and this one was cancelled; callers never see it.",
  },
  overloaded: {
    status: Status.UNAVAILABLE,
    httpStatus: 503,
    retry: "idempotent",
    fault: "ferry",
    sentence:
      "As many calls are under way as the sidecar or its service is allowed (ferry_max_calls, ferry_inbound_max_calls, FERRY_MAX_CALLS); the call was not started.",
  },
  rate_limited: {
    status: Status.RESOURCE_EXHAUSTED,
    httpStatus: 429,
    retry: "never",
    fault: "caller",
    sentence:
      "The calling service has used up its rate (ferry_inbound_rate_limit); grpc-retry-pushback-ms says when to call again.",
  },
  drain_timeout: {
    status: Status.UNAVAILABLE,
    httpStatus: 503,
    retry: "idempotent",
    fault: "ferry",
    sentence: "This sidecar shut down while the call was under way, and its time to finish was over; open a new one.",
  },
  fault_injected: {
    status: Status.UNAVAILABLE,
    httpStatus: 503,
    retry: "never",
    fault: "config",
    sentence: "A test wanted this failure: ferry_fault_abort, or x-ferry-fault-abort of the call itself, put it in.",
  },
  internal: {
    status: Status.INTERNAL,
    httpStatus: 500,
    retry: "never",
    fault: "ferry",
    sentence: "A defect in Ferry; the log has it under the id in the message. Please report it.",
  },
} as const satisfies Record<string, FailureRow>;

export type FailureKind = keyof typeof failures;

/** A failure of the proxy, on its way to `rescue`, which turns it into a reply. */
export class ProxyFailure extends Error {
  readonly kind: FailureKind;
  readonly where: string;
  attempts = 0;
  /** How long the caller should wait before it tries again, milliseconds: `grpc-retry-pushback-ms` (gRFC A6). */
  pushbackMs: number | undefined = undefined;
  /** The gRPC status that the caller sees; the row's unless a configuration names another. */
  status: number;

  /** `detail`: what happened, with numbers; never a secret, never a peer's payload. */
  constructor(kind: FailureKind, where: string, detail: string, options?: { cause?: unknown }) {
    super(where === "" ? detail : `${where}: ${detail}`, options);
    this.name = "ProxyFailure";
    this.kind = kind;
    this.where = where;
    this.status = failures[kind].status;
  }

  get row(): FailureRow {
    return failures[this.kind];
  }
}
