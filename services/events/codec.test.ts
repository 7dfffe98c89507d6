import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  CommandRecordSchema,
  QuoteLikedSchema,
  QuoteRetractedSchema,
  QuoteSubmittedSchema,
  StoredEventSchema,
  ViewsRecordedSchema,
} from "../../gen/quoter/events/v1/events_pb.ts";
import { decodeEvent, decodeRecord, encodeEvent, eventTypeNames, isUnknown, type QuoterEvent } from "./codec.ts";
import { recordOf } from "./testing/records.ts";
import type { Upcasters } from "./upcasters.ts";

/** Bytes as they stand in logs. Entries are added, never changed: these must decode for ever. */
interface Golden {
  readonly events: readonly {
    readonly type: string;
    readonly schemaVersion: number;
    readonly payloadHex: string;
    /** Today's form of the event. */
    readonly event: Record<string, unknown>;
  }[];
  readonly records: readonly { readonly hex: string; readonly record: unknown }[];
}

const golden = JSON.parse(readFileSync(new URL("./testdata/golden-events.json", import.meta.url), "utf8")) as Golden;

const examples: readonly QuoterEvent[] = [
  create(QuoteSubmittedSchema, { quoteId: "q3k5", text: "Πάντα ῥεῖ", author: "Heraclitus" }),
  create(QuoteLikedSchema, { quoteId: "q3k5" }),
  create(QuoteRetractedSchema, { quoteId: "q3k5", reason: "not his words" }),
  create(ViewsRecordedSchema, {
    producerId: "p-1",
    sequence: 9007199254740993n,
    views: [{ quoteId: "q3k5", count: 7n }],
  }),
];

describe("stored events", () => {
  test.each(golden.events)(
    "golden bytes of $type@$schemaVersion decode",
    ({ type, schemaVersion, payloadHex, event }) => {
      const payload = fromHex(payloadHex);
      const decoded = decodeEvent(create(StoredEventSchema, { eventId: "c:0", type, schemaVersion, payload }));
      expect(isUnknown(decoded)).toBe(false);
      const { $typeName, ...fields } = decoded as QuoterEvent;
      expect(JSON.parse(JSON.stringify({ $typeName, ...fields }, decimal))).toEqual(event);
    },
  );

  test("every event type has golden bytes of its present version", () => {
    for (const example of examples) {
      const { type, schemaVersion, payload } = encodeEvent(example, "c:0");
      const same = golden.events.filter((entry) => entry.type === type && entry.schemaVersion === schemaVersion);
      expect(same.map(({ payloadHex }) => payloadHex)).toContain(Buffer.from(payload).toString("hex"));
    }
    expect(examples.map(({ $typeName }) => $typeName).sort()).toEqual([...eventTypeNames].sort());
  });

  test.each(golden.records)("the golden record $record.commandId reads as it was written", ({ hex, record }) => {
    expect(toJson(CommandRecordSchema, fromBinary(CommandRecordSchema, fromHex(hex)))).toEqual(record);
  });

  test.each(examples)("$$typeName survives the way into the log and back", (event) => {
    const record = fromBinary(CommandRecordSchema, toBinary(CommandRecordSchema, recordOf("c1", event)));
    expect(decodeRecord(record)).toEqual([event]);
    expect(record.events[0]!.eventId).toBe("c1:0");
  });

  test("an unknown type is a value that names it", () => {
    const stored = create(StoredEventSchema, { type: "quoter.events.v1.QuoteFramed", schemaVersion: 1 });
    expect(decodeEvent(stored)).toEqual({ unknown: "quoter.events.v1.QuoteFramed", because: "type" });
    expect(isUnknown(decodeEvent(stored))).toBe(true);
  });

  test("a version newer than this code is unknown", () => {
    const stored = create(StoredEventSchema, { type: "quoter.events.v1.QuoteLiked", schemaVersion: 2 });
    expect(decodeEvent(stored)).toEqual({ unknown: "quoter.events.v1.QuoteLiked", because: "version" });
  });

  test("a damaged payload is unknown", () => {
    const payload = fromHex("0aff");
    const stored = create(StoredEventSchema, { type: "quoter.events.v1.QuoteLiked", schemaVersion: 1, payload });
    expect(decodeEvent(stored)).toEqual({ unknown: "quoter.events.v1.QuoteLiked", because: "payload" });
  });
});

describe("upcasting", () => {
  const liked = "quoter.events.v1.QuoteLiked";
  const quoteLiked = (quoteId: string) => toBinary(QuoteLikedSchema, create(QuoteLikedSchema, { quoteId }));
  // Two made-up older forms: version -1 held the id in capitals, "Applauded" was the type's name before that.
  const table: Upcasters = new Map([
    ["quoter.events.v0.Applauded@3", ({ payload }) => ({ type: liked, schemaVersion: -1, payload })],
    [
      `${liked}@-1`,
      ({ type, payload }) => {
        const { quoteId } = fromBinary(QuoteLikedSchema, payload);
        return { type, schemaVersion: 1, payload: quoteLiked(quoteId.toLowerCase()) };
      },
    ],
  ]);

  test("lifts an old event step by step to today's form", () => {
    const stored = { type: "quoter.events.v0.Applauded", schemaVersion: 3, payload: quoteLiked("Q3K5") };
    expect(decodeEvent(create(StoredEventSchema, stored), table)).toMatchObject({ $typeName: liked, quoteId: "q3k5" });
  });

  test("leaves today's events alone", () => {
    const stored = { type: liked, schemaVersion: 1, payload: quoteLiked("Q3K5") };
    expect(decodeEvent(create(StoredEventSchema, stored), table)).toMatchObject({ quoteId: "Q3K5" });
  });

  test("an old version without an upcaster is unknown, named as it was stored", () => {
    const stored = create(StoredEventSchema, { type: "quoter.events.v0.Applauded", schemaVersion: 2 });
    expect(decodeEvent(stored, table)).toEqual({ unknown: "quoter.events.v0.Applauded", because: "type" });
  });

  test("an upcaster that throws on a damaged payload makes the event unknown", () => {
    const stored = { type: liked, schemaVersion: -1, payload: fromHex("0aff") };
    expect(decodeEvent(create(StoredEventSchema, stored), table)).toEqual({ unknown: liked, because: "payload" });
  });
});

/** 64-bit numbers as decimal text, as JSON has no others. */
function decimal(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}
