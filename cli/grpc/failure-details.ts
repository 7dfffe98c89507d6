// What a failed reply tells about itself: Ferry's failure kind, and the ErrorInfo in `grpc-status-details-bin`.

import type { Metadata } from "@grpc/grpc-js";
import { decodeStatusDetails, type ErrorInfo } from "../../common/status-details.ts";

export interface FailureDetails {
  /** From `x-ferry-failure`: set when Ferry itself made the reply. */
  readonly failure: string | undefined;
  /** The first ErrorInfo, whoever made it. */
  readonly errorInfo: ErrorInfo | undefined;
}

/** Reads trailers and, as a Trailers-Only reply may be split by a client library, the headers too. */
export function failureDetails(headers: Metadata, trailers: Metadata): FailureDetails {
  const first = (name: string) => trailers.get(name)[0] ?? headers.get(name)[0];
  const failure = first("x-ferry-failure");
  const details = first("grpc-status-details-bin")?.toString("base64");
  return {
    failure: typeof failure === "string" ? failure : undefined,
    errorInfo: details === undefined ? undefined : decodeStatusDetails(details)?.errorInfo,
  };
}

/** From `x-ferry-attempts`; a reply without it took one. */
export function attemptsOf(headers: Metadata, trailers: Metadata): number {
  const text = headers.get("x-ferry-attempts")[0] ?? trailers.get("x-ferry-attempts")[0];
  const attempts = Number(text ?? 1);
  return Number.isInteger(attempts) && attempts > 0 ? attempts : 1;
}
