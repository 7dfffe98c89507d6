// What passes through the layers. Data gets more specific on the way in: a Call is what arrived, a RoutedCall knows
// where it may go, an EndpointCall knows where it goes. Each wraps the one before, so nothing is copied and a layer
// can only read what its stage has.

import type { Decision } from "./decision.ts";
import type { Endpoint } from "./discovery/registry.ts";
import type { FailureKind, ProxyFailure } from "./failure.ts";
import type { BodySource } from "./http2/body.ts";
import type { StreamError } from "./http2/error-code.ts";
import type { HeaderFields } from "./http2/header-field.ts";
import type { Priority } from "./priority.ts";
import type { Candidates, Route } from "./routing/route-table.ts";
import type { TraceContext } from "./telemetry/trace-context.ts";

/** Who called, proven by a certificate. Nobody is, until mesh identities exist. */
export interface PeerIdentity {
  /** As `spiffe://<trust domain>/ns/default/dc/dc1/svc/<service>`. */
  readonly spiffeId: string;
}

export interface Call {
  /** The request's `:path`, as `/quoter.query.v1.QuoteQueryService/GetQuote`. */
  readonly path: string;
  /** The request's `:authority`, or `host`; empty when it had neither. */
  readonly authority: string;
  /** The request's header as received, pseudo fields included. */
  readonly fields: HeaderFields;
  /** The request's body. At most one layer attaches to it. */
  readonly body: BodySource;
  /** The request ended with its header: there is no body to wait for. */
  readonly endsWithHead: boolean;
  /** `content-type` is application/grpc: failures are answered as gRPC statuses. */
  readonly isGrpc: boolean;
  /** By the sidecar's monotonic clock, milliseconds. */
  readonly receivedAtMs: number;
  /** When the caller stops waiting, by the same clock; Infinity when it named no time. Set by the deadline layer. */
  readonly deadlineAtMs: number;
  /** The span this hop stands for, a child of what arrived in `traceparent`. Always present and always passed on. */
  readonly trace: TraceContext;
  readonly peer: PeerIdentity | undefined;
  /** How often hops before us had already tried (`grpc-previous-rpc-attempts`). */
  readonly previousAttempts: number;
  /** How the caller ranks it (`x-ferry-priority`). */
  readonly priority: Priority;
  /** The service that called, as its sidecar states it (`x-ferry-source`); empty when nobody does. Not proven. */
  readonly source: string;
  /** `x-request-id`: as received, else made here; the same on every try and every hop. */
  readonly requestId: string;
  /** What inner layers found out, for those who record the call at its end. */
  readonly notes: CallNotes;
  /** Why the call is no longer wanted, once it is not: the caller went away, or its deadline passed. */
  readonly cancelled: ProxyFailure | undefined;
  /** Ends the call before its reply has ended. The first reason stays; after the end it does nothing. */
  cancel(failure: ProxyFailure): void;
  /** Passes an informational response (1xx) on to the caller; nothing once the reply has begun. */
  inform(fields: HeaderFields): void;
  /** Told once when the call is cancelled (at once if it already is); the place to stop work. */
  onCancel(listener: (failure: ProxyFailure) => void): void;
}

/** How long calls of one method took lately (resilience/latency-window.ts). */
export interface MethodLatency {
  /** One successful call took `durationMs`. */
  observe(durationMs: number, nowMs: number): void;
  /** Of the calls seen lately, `percent` % took no longer; undefined while too few were seen. */
  percentileMs(percent: number, nowMs: number): number | undefined;
}

/** The only part of a call that changes: each note has few writers, and decides nothing further out. */
export interface CallNotes {
  /** By route. */
  route: Route | undefined;
  /** By balance, at each try. */
  endpoint: Endpoint | undefined;
  /** By retry and hedge: tries made by this hop. */
  attempts: number;
  /** By hedge: how many of them did not wait for the one before to end. */
  hedges: number;
  /** By hedge, when both of its tries failed: where the first of them went, for the retry to go elsewhere. */
  alsoFailedAt: Endpoint | undefined;
  /** By early refusal, before the first try: for this method; undefined for a stream or an unknown method. */
  latency: MethodLatency | undefined;
  /** By early refusal: when the first try began, by the sidecar's monotonic clock. */
  triedAtMs: number;
  /** By any layer, in the order they were made; undefined while there is none. */
  decisions: Decision[] | undefined;
}

/** A call whose route is decided: once per call, so that a retry stays on its canary side. */
export interface RoutedCall {
  readonly call: Call;
  readonly route: Route;
  /** The endpoints of the chosen target, then of its failover targets, from the snapshot that the call began with. */
  readonly candidates: Candidates;
  /** The caller's deadline, or the route's cap when that is earlier; Infinity for none. */
  readonly deadlineAtMs: number;
  /** The request's body as this try may read it: the call's own, or a replay of it. */
  readonly body: BodySource;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Endpoints that earlier tries of this call went to; another one is preferred. */
  readonly tried: readonly Endpoint[];
  /** What may end this try before its time; undefined: only the call's own cancellation. */
  readonly cancel: TryCancellation | undefined;
}

/**
 * Ends one try and not its call: the try took too long, or another one of the same call won. The stream is reset, and
 * the try ends with the failure that it was cancelled with: before the reply's header as a rejection, after it in the
 * reply's outcome. Whoever may have to end a try puts a `TryCancel` (resilience/try-cancel.ts) into the RoutedCall that
 * it passes on, with the one that it was given as its parent.
 */
export interface TryCancellation {
  /** Why the try is no longer wanted, once it is not. */
  readonly cancelled: ProxyFailure | undefined;
  /** Told once when the try is cancelled (at once if it already is). */
  onCancel(listener: (failure: ProxyFailure) => void): void;
}

/**
 * A try of a call at one endpoint. A try that lost a race against another one of its call ends with the failure kind
 * `superseded` (its cancel's ProxyFailure): it says nothing about the endpoint and feeds neither breaker nor balancer.
 */
export interface EndpointCall {
  readonly routed: RoutedCall;
  readonly endpoint: Endpoint;
  /** When it was chosen, by the sidecar's monotonic clock: asking that costs as much as choosing. */
  readonly chosenAtMs: number;
}

/** How a reply ended on the wire: regularly, with these trailers or none, or broken off. */
export type ReplyEnd =
  | { readonly trailers: HeaderFields | undefined; readonly error: undefined }
  | { readonly trailers: undefined; readonly error: StreamError };

/** The verdict on a reply: made once, at its end, and fed to retry, breaker, balancer, metrics, trace and log. */
export interface Outcome {
  /** The gRPC status; for plain HTTP the one that its `:status` maps to. */
  readonly status: number;
  /** `:status`, 0 when no response header came. */
  readonly httpStatus: number;
  /**
   * The kind when a Ferry, here or further on, made the reply or it broke off; undefined: the application's own answer.
   */
  readonly failure: FailureKind | undefined;
  /**
   * What the upstream asks of who would try again (`grpc-retry-pushback-ms`, gRFC A6), only where the status is not OK:
   * wait so many milliseconds; negative: do not. Absent: it asks nothing.
   */
  readonly pushbackMs?: number | undefined;
}

/** A response whose header has arrived. */
export interface Reply {
  /** The response's header, `:status` included. */
  readonly fields: HeaderFields;
  /** The header was all, as in gRPC's Trailers-Only. */
  readonly endsWithHead: boolean;
  /** The body; attached to by whoever sends the reply on. */
  readonly body: BodySource;
  /**
   * Told once when the reply has ended, at once if it has. gRPC's verdict is in the trailers, so an outcome is
   * classified here and never from the header alone.
   */
  onEnd(listener: (outcome: Outcome) => void): void;
}
