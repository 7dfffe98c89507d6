// The one place where a reply gets its verdict, at its end and never from its header alone: gRPC says how a call went
// in the trailers. Retry, breaker, metrics, spans and log all read the Outcome that is made here. Pure.
// (gRPC over HTTP/2, "Responses" and "HTTP2 Transport Mapping"; grpc/doc/http-grpc-status-mapping.md)
//
// Hot: runs once per try; the usual reply (200, grpc-status 0 in the trailers) allocates nothing.

import type { Outcome, ReplyEnd } from "../call.ts";
import { type FailureKind, failures } from "../failure.ts";
import { ErrorCode, type StreamError } from "../http2/error-code.ts";
import { fieldValue, type HeaderFields } from "../http2/header-field.ts";
import { Status } from "./status.ts";

const ok: Outcome = { status: Status.OK, httpStatus: 200, failure: undefined };

/**
 * How a reply went. `isGrpc`: the request was gRPC, so that a reply without a status is not a success; a plain HTTP
 * exchange is judged by `:status` alone. A status in real trailers counts before one in the header.
 */
export function classify(fields: HeaderFields, end: ReplyEnd, isGrpc = true): Outcome {
  const httpStatus = httpStatusOf(fields);
  if (end.error !== undefined) {
    return { status: statusOfStreamError(end.error), httpStatus, failure: failureKindIn(fields) };
  }
  const { trailers } = end;
  const inTrailers = trailers === undefined ? undefined : fieldValue(trailers, "grpc-status");
  if (inTrailers === "0" && httpStatus === 200) return ok;
  const value = inTrailers ?? fieldValue(fields, "grpc-status");
  const failure = (trailers === undefined ? undefined : failureKindIn(trailers)) ?? failureKindIn(fields);
  const guessed = isGrpc ? statusOfHttp(httpStatus) : statusOfPlainHttp(httpStatus);
  const status = value === undefined ? guessed : parseStatus(value);
  const pushbackMs = status === Status.OK ? undefined : pushbackIn(trailers, fields);
  return pushbackMs === undefined ? { status, httpStatus, failure } : { status, httpStatus, failure, pushbackMs };
}

/**
 * What `grpc-retry-pushback-ms` asks of who would try again: a wait in milliseconds; -1 for "do not", as is said by a
 * negative number and by anything that is no 32-bit integer (gRFC A6). Undefined where it is absent.
 */
function pushbackIn(trailers: HeaderFields | undefined, fields: HeaderFields): number | undefined {
  const inTrailers = trailers === undefined ? undefined : fieldValue(trailers, "grpc-retry-pushback-ms");
  const value = inTrailers ?? fieldValue(fields, "grpc-retry-pushback-ms");
  if (value === undefined) return undefined;
  const waitMs = /^[0-9]{1,10}$/.test(value) ? Number(value) : -1;
  return waitMs > 2 ** 31 - 1 ? -1 : waitMs;
}

/** What a client of gRPC makes of a response without grpc-status; 200 is not a success then. */
export function statusOfHttp(httpStatus: number): Status {
  switch (httpStatus) {
    case 400:
    case 431:
      return Status.INTERNAL;
    case 401:
      return Status.UNAUTHENTICATED;
    case 403:
      return Status.PERMISSION_DENIED;
    case 404:
      return Status.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return Status.UNAVAILABLE;
    default:
      return Status.UNKNOWN;
  }
}

/** The same table for an exchange that is not gRPC: there 1xx-3xx is a success. */
function statusOfPlainHttp(httpStatus: number): Status {
  return httpStatus >= 100 && httpStatus < 400 ? Status.OK : statusOfHttp(httpStatus);
}

/** What a stream that ended without a status stands for: the RST_STREAM table; UNAVAILABLE for a lost connection. */
export function statusOfStreamError(error: StreamError): Status {
  if (error.neverProcessed || error.initiator === "connection") return Status.UNAVAILABLE;
  switch (error.code) {
    case ErrorCode.REFUSED_STREAM:
      return Status.UNAVAILABLE;
    case ErrorCode.CANCEL:
      return Status.CANCELLED;
    case ErrorCode.ENHANCE_YOUR_CALM:
      return Status.RESOURCE_EXHAUSTED;
    case ErrorCode.INADEQUATE_SECURITY:
      return Status.PERMISSION_DENIED;
    default:
      return Status.INTERNAL;
  }
}

/** The number of a grpc-status value; UNKNOWN for one that is malformed or above 16. */
function parseStatus(value: string): number {
  return /^(?:[0-9]|1[0-6])$/.test(value) ? Number(value) : Status.UNKNOWN;
}

function httpStatusOf(fields: HeaderFields): number {
  const value = fields[0]?.name === ":status" ? fields[0].value : fieldValue(fields, ":status");
  if (value === "200") return 200;
  return value !== undefined && /^[1-9][0-9]{2}$/.test(value) ? Number(value) : 0;
}

function failureKindIn(fields: HeaderFields): FailureKind | undefined {
  const value = fieldValue(fields, "x-ferry-failure");
  return value !== undefined && Object.hasOwn(failures, value) ? (value as FailureKind) : undefined;
}
