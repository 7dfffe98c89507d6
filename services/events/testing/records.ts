// Records for tests of logs and read models.

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type CommandRecord, CommandRecordSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import { encodeEvent, type QuoterEvent } from "../codec.ts";

/** When the records of tests were made, milliseconds since 1970. */
export const recordedAtMs = 1_700_000_000_000;

/** A record of one command, with every field of the envelope filled. */
export function recordOf(commandId: string, ...events: readonly QuoterEvent[]): CommandRecord {
  return create(CommandRecordSchema, {
    commandId,
    correlationId: `correlation-of-${commandId}`,
    causationId: `cause-of-${commandId}`,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    recordedAt: timestampFromMs(recordedAtMs),
    events: events.map((event, i) => encodeEvent(event, `${commandId}:${i}`)),
  });
}
