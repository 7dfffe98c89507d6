// The one place where refusals become gRPC statuses; called by run-handler.ts. Field violations travel as
// google.rpc.BadRequest in `grpc-status-details-bin`.
// (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto)

import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Refusal, RefusalKind } from "./refusal.ts";

const codes: Readonly<Record<RefusalKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  "not-found": status.NOT_FOUND,
  "already-exists": status.ALREADY_EXISTS,
  "failed-precondition": status.FAILED_PRECONDITION,
  conflict: status.ABORTED,
  unavailable: status.UNAVAILABLE,
};

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
