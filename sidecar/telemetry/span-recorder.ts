// From an ended call to its span: name, kind and attributes by OpenTelemetry's conventions for RPC, and what only Ferry
// knows under `ferry.`; each decision on the way is an event of it. Unsampled calls end at the first line; all that
// they cost is the `traceparent` that is written on. (https://opentelemetry.io/docs/specs/semconv/rpc/grpc/)

import type { Clock } from "../../common/clock.ts";
import type { Decision } from "../decision.ts";
import { Status, statusName } from "../grpc/status.ts";
import type { EndedCall, Recorder } from "./record.ts";
import type { SpanRecord, Spans } from "./spans.ts";

/** `isGateway`: its outbound calls are the world's, so its spans are SERVER, as for inbound calls. */
export function spanRecorder(spans: Spans, clock: Clock, isGateway: boolean): Recorder {
  return (ended) => {
    if (!ended.call.trace.sampled) return;
    const kind = isGateway || ended.direction === "inbound" ? "server" : "client";
    spans.record(spanOf(ended, kind, clock.wallMs()));
  };
}

/** The span of a call that ended at `endWallMs`. Pure. */
export function spanOf(
  { direction, call, outcome, durationMs }: EndedCall,
  kind: SpanRecord["kind"],
  endWallMs: number,
) {
  const { route, endpoint, attempts } = call.notes;
  const path = call.path.slice(1);
  const slash = path.lastIndexOf("/");
  const attributes: Record<string, string | number> = {
    "rpc.system": "grpc",
    "rpc.service": slash === -1 ? "" : path.slice(0, slash),
    "rpc.method": path.slice(slash + 1),
    "rpc.grpc.status_code": outcome.status,
    "ferry.direction": direction,
    "ferry.request_id": call.requestId,
  };
  if (route !== undefined) {
    attributes["ferry.upstream"] = route.upstream;
    attributes["ferry.service"] = route.service;
    attributes["ferry.route"] = route.explanation;
    attributes["ferry.attempts"] = attempts;
  }
  if (endpoint !== undefined) {
    attributes["server.address"] = endpoint.host;
    attributes["server.port"] = endpoint.port;
    attributes["ferry.endpoint"] = endpoint.id;
    attributes["ferry.version"] = endpoint.version;
  }
  if (outcome.failure !== undefined) attributes["ferry.failure"] = outcome.failure;
  const startWallMs = endWallMs - durationMs;
  const isError = kind === "client" ? outcome.status !== Status.OK : serverErrors.has(outcome.status);
  return {
    context: call.trace,
    name: path,
    kind,
    startWallMs,
    endWallMs,
    attributes,
    events: call.notes.decisions?.map((decision) => eventOf(decision, startWallMs - call.receivedAtMs)) ?? none,
    error: isError ? (outcome.failure ?? statusName(outcome.status)) : undefined,
  } satisfies SpanRecord;
}

const none: SpanRecord["events"] = [];

/** `wallMinusMono`: what makes wall time of the sidecar's monotonic time. */
function eventOf({ kind, atMs, detail }: Decision, wallMinusMono: number): SpanRecord["events"][number] {
  return { name: kind, wallMs: atMs + wallMinusMono, attributes: { "ferry.detail": detail } };
}

/** What counts as the server's own error; the other codes are the caller's. */
const serverErrors: ReadonlySet<number> = new Set([
  Status.UNKNOWN,
  Status.DEADLINE_EXCEEDED,
  Status.UNIMPLEMENTED,
  Status.INTERNAL,
  Status.UNAVAILABLE,
  Status.DATA_LOSS,
]);
