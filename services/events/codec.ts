// Events to stored events and back. Every path that reads events (deciding, projecting) comes through `decodeEvent`, so
// every path sees today's form: an old event is lifted step by step by the upcasters. Pure.
// Guarantees: what this code does not know (a type from a newer release during an update, a damaged payload) becomes a
// value that the reader skips and counts, never a throw; bytes in testdata/ decode for ever.

import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  type CommandRecord,
  QuoteLikedSchema,
  QuoteRetractedSchema,
  QuoteSubmittedSchema,
  type StoredEvent,
  StoredEventSchema,
  ViewsRecordedSchema,
} from "../../gen/quoter/events/v1/events_pb.ts";
import { type Upcasters, upcasters } from "./upcasters.ts";

/** Every event type with the version of its meaning that this code writes and understands. */
const eventTypes = [
  { schema: QuoteSubmittedSchema, version: 1 },
  { schema: QuoteLikedSchema, version: 1 },
  { schema: QuoteRetractedSchema, version: 1 },
  { schema: ViewsRecordedSchema, version: 1 },
] as const satisfies readonly { schema: DescMessage; version: number }[];

/** An event in today's form; `$typeName` tells which. */
export type QuoterEvent = MessageShape<(typeof eventTypes)[number]["schema"]>;

/** An event that this code cannot read. */
export interface UnknownEvent {
  /** The stored type. */
  readonly unknown: string;
  /** `version`: the type is known, but this version of it is newer than the code, or has no upcaster. */
  readonly because: "type" | "version" | "payload";
}

export type DecodedEvent = QuoterEvent | UnknownEvent;

const byType = new Map<string, (typeof eventTypes)[number]>(eventTypes.map((entry) => [entry.schema.typeName, entry]));

/** The names of all event types, for tests that want every one covered. */
export const eventTypeNames: readonly string[] = [...byType.keys()];

/** The stored form of `event`. `eventId`: the command id, a colon and the event's place within the command, from 0. */
export function encodeEvent(event: QuoterEvent, eventId: string): StoredEvent {
  const entry = byType.get(event.$typeName);
  if (entry === undefined) throw new Error(`event type ${event.$typeName}: not in the table of codec.ts`);
  const payload = toBinary(entry.schema as DescMessage, event);
  return create(StoredEventSchema, { eventId, type: event.$typeName, schemaVersion: entry.version, payload });
}

/** The event in today's form, or what is unknown about it. `table` replaces the upcasters in tests. */
export function decodeEvent(stored: StoredEvent, table: Upcasters = upcasters): DecodedEvent {
  let { type, schemaVersion, payload } = stored;
  const unknown = (because: UnknownEvent["because"]) => ({ unknown: stored.type, because });
  try {
    for (;;) {
      const upcast = table.get(`${type}@${schemaVersion}`);
      if (upcast === undefined) break;
      ({ type, schemaVersion, payload } = upcast({ type, schemaVersion, payload }));
    }
    const entry = byType.get(type);
    if (entry === undefined) return unknown("type");
    if (entry.version !== schemaVersion) return unknown("version");
    return fromBinary(entry.schema as DescMessage, payload) as QuoterEvent;
  } catch {
    return unknown("payload");
  }
}

/** All events of a record, in order. */
export function decodeRecord(record: CommandRecord): readonly DecodedEvent[] {
  return record.events.map((stored) => decodeEvent(stored));
}

/** Whether an event could not be read. */
export function isUnknown(event: DecodedEvent): event is UnknownEvent {
  return "unknown" in event;
}
