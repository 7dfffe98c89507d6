// The request header that the next hop gets: what the caller sent, with the fields that a hop must change. Pure; hot:
// runs once per try. Fields that stay are passed on as the same objects, order kept (gRPC keeps order only among equal
// names, so nothing is ever sorted; only :method goes to the front, where both ends look for it).
//
// Guarantees: at most one authority, as `:authority` (RFC 9113 section 8.3.1); `te: trailers` with every gRPC call, as
// its specification asks of clients; no `expect`, which serve-calls.ts has answered.

import type { Call } from "./call.ts";
import { FieldRole, roleOf } from "./field-role.ts";
import { formatGrpcTimeout } from "./grpc/timeout.ts";
import { HeaderField, type HeaderFields } from "./http2/header-field.ts";
import type { HeaderChange } from "./routing/discovery-chain.ts";
import { traceparentOf } from "./telemetry/trace-context.ts";

export interface OutgoingFacts {
  readonly call: Call;
  /** 1 for the first try of this hop. */
  readonly attempt: number;
  /** Milliseconds until the deadline, Infinity for none. */
  readonly leftMs: number;
  /** What router, splitter and resolver add, set and remove. */
  readonly changes: readonly HeaderChange[];
  /** `x-ferry-source` with the name of our own service, instead of what the application states. */
  readonly source?: HeaderField | undefined;
}

export function outgoingFields(facts: OutgoingFacts): HeaderFields {
  const { call, attempt, leftMs, changes, source } = facts;
  const fields: HeaderField[] = [];
  let hasRequestId = false;
  let hasAuthority = false;
  let hasTe = false;
  let host: HeaderField | undefined;
  for (const field of call.fields) {
    switch (roleOf(field)) {
      case FieldRole.GRPC_TIMEOUT:
      case FieldRole.TRACEPARENT:
      case FieldRole.PREVIOUS_ATTEMPTS:
      case FieldRole.EXPECT:
      // For the sidecar that the call left by, and for nobody after it (resilience/fault.ts).
      case FieldRole.FAULT:
        continue;
      case FieldRole.SOURCE:
        if (source !== undefined) continue;
        break;
      case FieldRole.HOST:
        host = field;
        continue;
      case FieldRole.METHOD:
        if (fields.length > 0) fields.unshift(field);
        else fields.push(field);
        continue;
      case FieldRole.AUTHORITY:
        hasAuthority = true;
        break;
      case FieldRole.TE:
        hasTe = true;
        break;
      case FieldRole.REQUEST_ID:
        hasRequestId = true;
    }
    fields.push(field);
  }
  if (host !== undefined && !hasAuthority) fields.splice(1, 0, new HeaderField(":authority", host.value));
  if (call.isGrpc && !hasTe) fields.push(teTrailers);
  // Behind the pseudo fields, as the gRPC specification asks.
  if (leftMs !== Number.POSITIVE_INFINITY) fields.push(new HeaderField("grpc-timeout", formatGrpcTimeout(leftMs)));
  fields.push(new HeaderField("traceparent", traceparentOf(call.trace)));
  if (source !== undefined) fields.push(source);
  if (!hasRequestId) fields.push(new HeaderField("x-request-id", call.requestId));
  const attemptsBefore = call.previousAttempts + attempt - 1;
  if (attemptsBefore > 0) fields.push(new HeaderField("grpc-previous-rpc-attempts", String(attemptsBefore)));
  return changes.length === 0 ? fields : changedFields(fields, changes);
}

const teTrailers = new HeaderField("te", "trailers");

/** `fields` after each change in turn: removals, then what is set, then what is added. Pseudo fields never change. */
export function changedFields(fields: HeaderFields, changes: readonly HeaderChange[]): HeaderFields {
  let changed = fields;
  for (const { Add, Set: set, Remove } of changes) {
    const gone = new Set([...(Remove ?? []), ...Object.keys(set ?? {})].map((name) => name.toLowerCase()));
    const kept = changed.filter((field) => field.name.startsWith(":") || !gone.has(field.name));
    for (const entries of [set, Add]) {
      for (const [name, value] of Object.entries(entries ?? {})) {
        if (!name.startsWith(":")) kept.push(new HeaderField(name.toLowerCase(), value));
      }
    }
    changed = kept;
  }
  return changed;
}
