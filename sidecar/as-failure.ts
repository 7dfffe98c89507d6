// The one door for caught values: whatever was thrown or broke off becomes a kind from the table of failures. Used by
// every layer that must know how a try went, and by rescue, which tells the caller. Pure.

import type { Call } from "./call.ts";
import { type FailureKind, ProxyFailure } from "./failure.ts";
import { ErrorCode, StreamError } from "./http2/error-code.ts";

/** The one door for caught values: what became of `call`, as a kind from the table of failures. */
export function asFailure(error: unknown, call: Call): ProxyFailure {
  let failure: ProxyFailure;
  if (call.cancelled !== undefined) failure = call.cancelled;
  else if (error instanceof ProxyFailure) failure = error;
  else if (error instanceof StreamError) failure = failureOfStream(error, whereOf(call));
  else failure = new ProxyFailure("internal", "", `defect in the sidecar, id ${call.requestId}`, { cause: error });
  failure.attempts = call.notes.attempts;
  return failure;
}

/** Whose clock is right by how much nobody knows: a cancel that close to the deadline was made because of it. */
const nearDeadlineMs = 5;

/**
 * The failure as evidence: a caller or an endpoint that cancels at the deadline, though our timer may be a moment late,
 * does so because it keeps the deadline as well (gRPC over HTTP/2, "Errors"). It is the endpoint then that was too
 * slow, and the breaker, the metrics and the caller are told so.
 */
export function atDeadline(failure: ProxyFailure, call: Call, nowMs: number): ProxyFailure {
  if (failure.kind !== "cancelled_by_upstream" && failure.kind !== "cancelled") return failure;
  const cap = call.receivedAtMs + (call.notes.route?.timeoutMs ?? Number.POSITIVE_INFINITY);
  const leftMs = Math.min(call.deadlineAtMs, cap) - nowMs;
  // NaN for a malformed timeout: not near.
  if (!(leftMs <= nearDeadlineMs)) return failure;
  const who = failure.kind === "cancelled" ? "caller gave up" : "cancelled the call";
  const told = new ProxyFailure("deadline_exceeded", failure.where || whereOf(call), `${who} at its deadline`, {
    cause: failure,
  });
  told.attempts = failure.attempts;
  return told;
}

/** The endpoint that the call went to last, as people know it. */
export function whereOf(call: Call): string {
  const endpoint = call.notes.endpoint;
  if (endpoint === undefined) return call.notes.route?.service ?? "";
  const version = endpoint.version === "" ? "" : ` ${endpoint.version}`;
  return `${endpoint.host}:${endpoint.port} (${endpoint.service}${version})`;
}

/**
 * Which kind of failure a broken stream is: RFC 9113 section 8.7 for what provably did not run, gRPC's table of codes
 * for what the peer reset. A code that would blame the caller for our connection to the peer is not passed on.
 */
export function failureOfStream(error: StreamError, where: string): ProxyFailure {
  return new ProxyFailure(kindOfStream(error), where, error.message, { cause: error });
}

function kindOfStream(error: StreamError): FailureKind {
  if (error.neverProcessed) {
    if (error.code === ErrorCode.SETTINGS_TIMEOUT) return "connect_timeout";
    if (error.initiator === "connection") return "connect_failed";
    return error.initiator === "us" && error.code === ErrorCode.ENHANCE_YOUR_CALM ? "header_too_large" : "refused";
  }
  if (error.initiator === "connection") return brokeRules(error.code) ? "upstream_protocol" : "connection_lost";
  if (error.initiator === "us") return "upstream_protocol";
  switch (error.code) {
    case ErrorCode.NO_ERROR:
      return "upstream_protocol";
    case ErrorCode.CANCEL:
      return "cancelled_by_upstream";
    case ErrorCode.ENHANCE_YOUR_CALM:
      return "upstream_overloaded";
    default:
      return "reset_by_upstream";
  }
}

/** We closed the connection because of what the peer sent; a loss has INTERNAL_ERROR or CANCEL. */
function brokeRules(code: ErrorCode): boolean {
  switch (code) {
    case ErrorCode.PROTOCOL_ERROR:
    case ErrorCode.FRAME_SIZE_ERROR:
    case ErrorCode.FLOW_CONTROL_ERROR:
    case ErrorCode.STREAM_CLOSED:
    case ErrorCode.COMPRESSION_ERROR:
    case ErrorCode.ENHANCE_YOUR_CALM:
      return true;
    default:
      return false;
  }
}
