import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { QuoteLikedSchema, QuoteSubmittedSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import { mergeCounts, projectRecord, type RowChange } from "./project-quotes.ts";
import { type History, history, row } from "./testing/history.ts";

const changesOf = ({ records }: History, version: "v1" | "v2" = "v2") =>
  records.flatMap((record) => projectRecord(record, version).changes);
const add = (quoteId: string): RowChange => ({ kind: "add", quote: row(quoteId, 10) });
const remove = (quoteId: string): RowChange => ({ kind: "remove", quoteId });
const count = (quoteId: string, views: number, likes = 0): RowChange => ({ kind: "count", quoteId, views, likes });

describe("projecting an event", () => {
  test("a submitted quote is a new row at its record's position and time", () => {
    expect(changesOf(history().submit("a"))).toEqual([{ kind: "add", quote: row("a", 10) }]);
  });

  test("a retracted quote is removed", () => {
    expect(changesOf(history().retract("a"), "v1")).toEqual([remove("a")]);
  });

  test("v2 counts likes and views, v1 nothing", () => {
    const both = history().like("a").views({ a: 3, b: 4 });
    expect(changesOf(both)).toEqual([count("a", 0, 1), count("a", 3), count("b", 4)]);
    expect(changesOf(both, "v1")).toEqual([]);
  });

  test("all events of a record are projected in order, unknown ones are counted", () => {
    const events = history()
      .unknown()
      .event(
        create(QuoteSubmittedSchema, { quoteId: "a", text: "text of a", author: "author of a" }),
        create(QuoteLikedSchema, { quoteId: "a" }),
      );
    expect(changesOf(events)).toEqual([{ kind: "add", quote: row("a", 20) }, count("a", 0, 1)]);
    expect(events.records.map((record) => projectRecord(record, "v1").unknownEvents)).toEqual([1, 0]);
  });
});

describe("merging counts", () => {
  test("the counts of each quote become one", () => {
    const changes = [count("a", 1), count("b", 2), count("a", 3, 1), count("b", 0, 1)];
    expect(mergeCounts(changes)).toEqual([count("a", 4, 1), count("b", 2, 1)]);
  });

  test("counts from before a submission stay before it, so they still find no row", () => {
    const changes = [count("a", 5), add("a"), count("a", 1), count("a", 1)];
    expect(mergeCounts(changes)).toEqual([count("a", 5), add("a"), count("a", 2)]);
  });

  test("counts from behind a retraction stay behind it", () => {
    const changes = [add("a"), count("a", 1), remove("a"), count("a", 7), count("b", 1)];
    expect(mergeCounts(changes)).toEqual([add("a"), count("a", 1), remove("a"), count("a", 7), count("b", 1)]);
  });

  test("changes nothing that it was given", () => {
    const first = Object.freeze(count("a", 1));
    mergeCounts(Object.freeze([first, count("a", 1)]));
    expect(first).toEqual(count("a", 1));
  });
});
