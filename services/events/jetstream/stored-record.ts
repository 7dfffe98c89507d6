// A record as a message on its aggregate's subject, and back. One message is one command, whatever it changed, so that
// it is stored whole or not at all. The version travels in a header: it is right because the server checks the sequence
// that it was computed from.
// Guarantees: a message that is not ours (anybody with the right to publish can put one there, and nobody can remove
// it) never stops a reader: it is a record without events and without a version.

import { create, fromBinary } from "@bufbuild/protobuf";
import { headers, type MsgHdrs } from "nats";
import { type CommandRecord, CommandRecordSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import type { LoggedRecord } from "../event-log.ts";

/** Of every message that we wrote: the version within the aggregate's stream. */
export const VERSION_HEADER = "Ferry-Version";

export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly header: MsgHdrs | undefined;
  readonly data: Uint8Array;
}

/** What the server checks and keeps with a record. `expectedSequence`: the subject's last, 0 when it has none. */
export function recordHeaders(stream: string, version: number, expectedSequence: number, commandId: string): MsgHdrs {
  const header = headers();
  header.append("Nats-Expected-Last-Subject-Sequence", String(expectedSequence));
  // With the stream, since one command id may be used on two aggregates, and the server's window knows only one.
  if (commandId !== "") header.append("Nats-Msg-Id", `${stream}:${encodeURIComponent(commandId)}`);
  header.append(VERSION_HEADER, String(version));
  return header;
}

/** Version 0: the message is not ours. `prefix` as `quoter.events`. */
export function toLogged(prefix: string, message: StoredMessage): LoggedRecord {
  const { subject, sequence, header, data } = message;
  const stream = subject.slice(prefix.length + 1);
  const version = Number(header?.get(VERSION_HEADER) ?? 0);
  const record = version > 0 ? decode(data) : undefined;
  if (record === undefined) return { position: sequence, stream, version: 0, record: create(CommandRecordSchema) };
  return { position: sequence, stream, version, record };
}

function decode(data: Uint8Array): CommandRecord | undefined {
  try {
    return fromBinary(CommandRecordSchema, data);
  } catch {
    return undefined;
  }
}
