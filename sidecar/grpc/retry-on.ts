// What the words of Envoy's `retry_on`, which Consul's service-router passes on in RetryOn, mean to a gRPC call: which
// answers are worth another try. Words about what never ran or broke off (connect-failure, refused-stream, reset) name
// no status: such tries are followed by another whether they are written or not, as far as that is safe. Read by
// the parser of config entries, the reader of Consul's chains, and the compiler of routes.

import { Status } from "./status.ts";

export interface RetryOn {
  /** gRPC statuses. */
  readonly statuses: readonly number[];
  /** `:status` of answers that are not gRPC. */
  readonly httpStatuses: readonly number[];
}

const nothing: RetryOn = { statuses: [], httpStatuses: [] };

function statuses(...list: readonly number[]): RetryOn {
  return { statuses: list, httpStatuses: [] };
}

/** Words without a meaning here (retriable-4xx, envoy-ratelimited, retriable-headers) are absent. */
export const retryOnWords: ReadonlyMap<string, RetryOn> = new Map([
  ["cancelled", statuses(Status.CANCELLED)],
  ["deadline-exceeded", statuses(Status.DEADLINE_EXCEEDED)],
  ["internal", statuses(Status.INTERNAL)],
  ["resource-exhausted", statuses(Status.RESOURCE_EXHAUSTED)],
  ["unavailable", statuses(Status.UNAVAILABLE)],
  ["gateway-error", { statuses: [Status.UNAVAILABLE], httpStatuses: [502, 503, 504] }],
  [
    "5xx",
    {
      statuses: [Status.UNAVAILABLE, Status.INTERNAL, Status.UNKNOWN],
      httpStatuses: Array.from({ length: 100 }, (_, index) => 500 + index),
    },
  ],
  ["connect-failure", nothing],
  ["refused-stream", nothing],
  ["reset", nothing],
]);

/** What `words` say together; those without a meaning here say nothing. */
export function parseRetryOn(words: readonly string[]): RetryOn {
  const known = words.flatMap((word) => retryOnWords.get(word) ?? []);
  return {
    statuses: [...new Set(known.flatMap((word) => word.statuses))],
    httpStatuses: [...new Set(known.flatMap((word) => word.httpStatuses))],
  };
}
