// One JSON line for each call, when it has ended; off unless asked for, because a line costs more than the call. Never
// a header's value but the ids that other systems know the call by, and never a payload.

import type { Clock } from "../../common/clock.ts";
import { statusName } from "../grpc/status.ts";
import type { Recorder } from "./record.ts";

/** `write` gets each line with its newline. */
export function accessLog(clock: Clock, write: (line: string) => void): Recorder {
  return ({ direction, call, outcome, durationMs }) => {
    const { route, endpoint, attempts, decisions } = call.notes;
    const line = {
      time: new Date(clock.wallMs()).toISOString(),
      direction,
      path: call.path,
      authority: call.authority,
      status: statusName(outcome.status),
      httpStatus: outcome.httpStatus,
      failure: outcome.failure,
      ms: Math.round(durationMs * 1000) / 1000,
      upstream: route?.upstream,
      service: route?.service,
      subset: route?.subset || undefined,
      endpoint: endpoint?.id,
      version: endpoint?.version || undefined,
      attempts: direction === "outbound" ? attempts : undefined,
      decisions: decisions?.map(({ kind, detail }) => (detail === "" ? kind : `${kind}: ${detail}`)),
      requestId: call.requestId,
      traceId: call.trace.traceId,
    };
    write(`${JSON.stringify(line)}\n`);
  };
}
