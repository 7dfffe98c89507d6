// What a failed reply tells about itself: Ferry's failure kind, and the ErrorInfo in `grpc-status-details-bin`.

import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Metadata } from "@grpc/grpc-js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";

export interface FailureDetails {
  /** From `x-ferry-failure`: set when Ferry itself made the reply. */
  readonly failure: string | undefined;
  /** The first ErrorInfo, whoever made it. */
  readonly errorInfo: { reason: string; domain: string; metadata: Record<string, string> } | undefined;
}

/** Reads trailers and, as a Trailers-Only reply may be split by a client library, the headers too. */
export function failureDetails(headers: Metadata, trailers: Metadata): FailureDetails {
  const first = (name: string) => trailers.get(name)[0] ?? headers.get(name)[0];
  const failure = first("x-ferry-failure");
  return {
    failure: typeof failure === "string" ? failure : undefined,
    errorInfo: errorInfoOf(first("grpc-status-details-bin")),
  };
}

function errorInfoOf(details: string | Buffer | undefined): FailureDetails["errorInfo"] {
  if (!(details instanceof Uint8Array)) return undefined;
  try {
    for (const detail of fromBinary(StatusSchema, details).details) {
      const info = anyUnpack(detail, ErrorInfoSchema);
      if (info !== undefined) return { reason: info.reason, domain: info.domain, metadata: info.metadata };
    }
  } catch {
    // A peer may put anything there; a failed call is still shown with its status.
  }
  return undefined;
}

/** From `x-ferry-attempts`; a reply without it took one. */
export function attemptsOf(headers: Metadata, trailers: Metadata): number {
  const text = headers.get("x-ferry-attempts")[0] ?? trailers.get("x-ferry-attempts")[0];
  const attempts = Number(text ?? 1);
  return Number.isInteger(attempts) && attempts > 0 ? attempts : 1;
}
