// Refusals: what a service answers when it understood the call and will not do it. Handlers return them as values; this
// file is the one place where they become gRPC statuses, so no domain file knows a status number. Anything thrown is a
// bug instead and is handled by run-handler.ts. Field violations travel as google.rpc.BadRequest in
// `grpc-status-details-bin` (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto).

import { create, type Message, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";

const codes = {
  /** The request breaks a rule that needs no state to see. */
  invalid: status.INVALID_ARGUMENT,
  /** What the request names does not exist. */
  "not-found": status.NOT_FOUND,
  /** What the request would make exists already, and was made by somebody else. */
  "already-exists": status.ALREADY_EXISTS,
  /** The state does not allow it; the same request is refused until somebody changes the state. */
  "failed-precondition": status.FAILED_PRECONDITION,
  /** Others changed the same thing at the same time, again and again; the whole request may be repeated. */
  conflict: status.ABORTED,
  /** Something that the service needs is away; the same request may succeed in a moment. */
  unavailable: status.UNAVAILABLE,
} as const;

export type RefusalKind = keyof typeof codes;

/** One rule that one field breaks. */
export interface Violation {
  /** As `views[0].quote_id`. */
  readonly field: string;
  /** As `must be at least 1 characters`. */
  readonly description: string;
  /** The rule as google.rpc writes reasons: `STRING_MIN_LEN`. */
  readonly reason: string;
}

export interface Refusal {
  readonly refused: RefusalKind;
  /** For people: what, where, numbers. Never a payload. */
  readonly message: string;
  readonly violations: readonly Violation[];
}

export function refuse(refused: RefusalKind, message: string): Refusal {
  return { refused, message, violations: [] };
}

/** The refusal of a request for what its fields hold; the message names every field and its rule. */
export function refuseFields(violations: readonly Violation[], where = ""): Refusal {
  const message = violations.map(({ field, description }) => `${where}${field}: ${description}`).join("; ");
  return { refused: "invalid", message, violations };
}

/** True for a refusal, false for an answer. */
export function isRefusal<A extends Message>(answer: A | Refusal): answer is Refusal {
  return !("$typeName" in answer);
}

/** The gRPC status of a refusal; its metadata is fresh, the caller may add to it. */
export function refusalStatus(refusal: Refusal): StatusObject {
  const code = codes[refusal.refused];
  const metadata = new Metadata();
  if (refusal.violations.length > 0) {
    const fieldViolations = refusal.violations.map((violation) => ({ ...violation }));
    const details = [anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations }))];
    const bytes = toBinary(StatusSchema, create(StatusSchema, { code, message: refusal.message, details }));
    metadata.set("grpc-status-details-bin", Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }
  return { code, details: refusal.message, metadata };
}
