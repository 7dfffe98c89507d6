// What the way in and the way out of one sidecar tell each other about retries, so that hops do not multiply them. An
// application passes on `traceparent`, but neither `grpc-previous-rpc-attempts` nor why a call of its own failed; the
// trace id joins the two.
//
//   in -> out   A call came in as a retry: calls of its trace that go out are not retried here.
//   out -> in   A call went out and was given up after this hop had tried: the failure that the application answers
//               with gets `grpc-retry-pushback-ms: -1`, so that the hop before does not try it all again.
//
// So of a chain only the hop next to the trouble retries, within its budget. It works as far as applications pass
// traceparent on; where they do not, each hop's budget still bounds it (docs/how-to/retries.md). State is per worker
// process, bounded in number and time. Costs a successful call nothing.

import type { Call } from "../call.ts";
import { fieldValue, HeaderField, type HeaderFields } from "../http2/header-field.ts";
import type { Layer } from "../stack.ts";

const maxTraces = 16_384;
const keptMs = 60_000;
const doNotRetry = new HeaderField("grpc-retry-pushback-ms", "-1");

export class TriedTraces {
  readonly #retried = new Map<string, number>();
  readonly #givenUp = new Map<string, number>();

  /** A call of this trace came in that a hop before had tried already. */
  noteRetried(traceId: string, nowMs: number): void {
    remember(this.#retried, traceId, nowMs);
  }

  /** A hop before this one has tried `call`, or a call that it is a part of: then that one does the retrying. */
  wasTriedBefore({ previousAttempts, trace }: Call): boolean {
    return previousAttempts > 0 || (this.#retried.size > 0 && this.#retried.has(trace.traceId));
  }

  /** A call of this trace went out and failed, and this hop has done what it could. */
  noteGivenUp(traceId: string, nowMs: number): void {
    remember(this.#givenUp, traceId, nowMs);
  }

  /** What `call` is answered with, trailers or the header of a Trailers-Only reply: failures say "do not retry". */
  lastWord(call: Call, fields: HeaderFields): HeaderFields {
    if (this.#givenUp.size === 0) return fields;
    const status = fieldValue(fields, "grpc-status");
    if (status === undefined || status === "0" || !this.#givenUp.has(call.trace.traceId)) return fields;
    return fieldValue(fields, doNotRetry.name) === undefined ? [...fields, doNotRetry] : fields;
  }
}

function remember(traces: Map<string, number>, traceId: string, nowMs: number): void {
  // Newest last.
  traces.delete(traceId);
  traces.set(traceId, nowMs);
  for (const [oldest, atMs] of traces) {
    if (traces.size <= maxTraces && nowMs - atMs <= keptMs) break;
    traces.delete(oldest);
  }
}

/** On the way in: notes calls that are retries of a hop before. */
export function noteRetries(traces: TriedTraces): Layer<Call> {
  return (next) =>
    function noteRetries(call) {
      if (call.previousAttempts > 0) traces.noteRetried(call.trace.traceId, call.receivedAtMs);
      return next(call);
    };
}
