// RecordViews: batches of view counts, the path for high rates. Each producer has a stream whose version is its batch
// number, so the append at the expected version is the check for repeats too, and nothing is read before a write.
// Called by service.ts. Guarantees: a batch is recorded once, whoever repeats it; a gap is refused with the number that
// is expected; batches of one call are appended one after the other. Throws LogUnavailable.

import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../common/clock.ts";
import {
  type RecordViewsRequest,
  type RecordViewsResponse,
  RecordViewsResponseSchema,
} from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { ViewsRecordedSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import type { EventLog, Position } from "../events/event-log.ts";
import { formatPosition } from "../kit/position.ts";
import { type Refusal, refuse } from "../kit/refusal.ts";
import { type Envelope, recordOf } from "./envelope.ts";
import { viewsStream } from "./quote-id.ts";

export interface ViewsDeps {
  readonly log: EventLog;
  readonly clock: Clock;
}

interface LastBatch {
  readonly stream: string;
  readonly sequence: number;
  /** The highest number that its producer has in the log. */
  readonly highest: number;
  /** Undefined: recorded by an earlier call, to be looked up. */
  readonly position: Position | undefined;
}

/** Records the batches of one call. `envelope` gives the envelope for a batch's command id. */
export async function recordViews(
  requests: AsyncIterable<RecordViewsRequest>,
  envelope: (commandId: string) => Envelope,
  { log, clock }: ViewsDeps,
): Promise<RecordViewsResponse | Refusal> {
  const response = create(RecordViewsResponseSchema);
  let last: LastBatch | undefined;
  for await (const request of requests) {
    const sequence = Number(request.sequence);
    const stream = viewsStream(request.producerId);
    const event = create(ViewsRecordedSchema, {
      producerId: request.producerId,
      sequence: request.sequence,
      views: request.views.map(({ quoteId, count }) => ({ quoteId, count })),
    });
    const commandId = `views:${request.producerId}:${sequence}`;
    const record = recordOf(envelope(commandId), [event], clock.wallMs());
    const result = await log.append(stream, sequence - 1, record);
    if (result.ok) {
      response.recordedBatches++;
      for (const { count } of request.views) response.recordedViews += count;
      last = { stream, sequence, highest: result.version, position: result.position };
    } else if (result.conflict.actualVersion >= sequence) {
      response.duplicateBatches++;
      last = { stream, sequence, highest: result.conflict.actualVersion, position: undefined };
    } else {
      return gap(request.producerId, sequence, result.conflict.actualVersion + 1);
    }
  }
  if (last === undefined) return response;
  response.lastSequence = BigInt(last.highest);
  response.position = formatPosition(last.position ?? (await positionOf(last, log)));
  return response;
}

function gap(producerId: string, sequence: number, expected: number): Refusal {
  return refuse("failed-precondition", `producer ${producerId}: got batch ${sequence}, expected batch ${expected}`);
}

async function positionOf({ stream, sequence }: LastBatch, log: EventLog): Promise<Position> {
  const [logged] = await log.readStream(stream, sequence, 1);
  if (logged === undefined) throw new Error(`${stream}: version ${sequence} is taken and not there`);
  return logged.position;
}
