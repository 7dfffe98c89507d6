// The projection: what an event changes in the rows of a model. Pure; every model's writer calls it and turns the
// changes into statements. Guarantees: events of unknown types change nothing and are counted.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { decodeRecord, isUnknown, type QuoterEvent } from "../events/codec.ts";
import type { LoggedRecord } from "../events/event-log.ts";
import type { QuoteRow, ReadModelVersion } from "./read-model.ts";

/** A change of rows. `count` of a quote that is not there (unknown, retracted) must change nothing. */
export type RowChange =
  | { readonly kind: "add"; readonly quote: QuoteRow }
  | { readonly kind: "remove"; readonly quoteId: string }
  | { readonly kind: "count"; readonly quoteId: string; readonly views: number; readonly likes: number };

export interface Projected {
  readonly changes: readonly RowChange[];
  readonly unknownEvents: number;
}

/** What one record changes in a model of `version`: v1 counts nothing. */
export function projectRecord(logged: LoggedRecord, version: ReadModelVersion): Projected {
  const changes: RowChange[] = [];
  let unknownEvents = 0;
  for (const event of decodeRecord(logged.record)) {
    if (isUnknown(event)) unknownEvents++;
    else changes.push(...projectEvent(event, logged, version));
  }
  return { changes, unknownEvents };
}

function projectEvent(event: QuoterEvent, logged: LoggedRecord, version: ReadModelVersion): readonly RowChange[] {
  switch (event.$typeName) {
    case "quoter.events.v1.QuoteSubmitted": {
      const { recordedAt } = logged.record;
      const submittedAtMs = recordedAt === undefined ? 0 : timestampMs(recordedAt);
      const { quoteId, text, author } = event;
      const submittedPosition = logged.position;
      return [{ kind: "add", quote: { quoteId, text, author, submittedAtMs, submittedPosition, views: 0, likes: 0 } }];
    }
    case "quoter.events.v1.QuoteRetracted":
      return [{ kind: "remove", quoteId: event.quoteId }];
    case "quoter.events.v1.QuoteLiked":
      return version === "v1" ? [] : [{ kind: "count", quoteId: event.quoteId, views: 0, likes: 1 }];
    case "quoter.events.v1.ViewsRecorded":
      if (version === "v1") return [];
      return event.views.map(({ quoteId, count }) => ({ kind: "count", quoteId, views: Number(count), likes: 0 }));
  }
}

/**
 * The same changes with the counts of a quote added up, so that a batch of a thousand views of ten quotes is ten
 * updates.
 * A quote's counts never move across its own `add` or `remove`: views from before the submission stay ignored.
 */
export function mergeCounts(changes: readonly RowChange[]): readonly RowChange[] {
  const merged: RowChange[] = [];
  const pending = new Map<string, { kind: "count"; quoteId: string; views: number; likes: number }>();
  for (const change of changes) {
    if (change.kind !== "count") {
      // Later counts of this quote begin a new sum behind this change.
      pending.delete(change.kind === "add" ? change.quote.quoteId : change.quoteId);
      merged.push(change);
      continue;
    }
    const sum = pending.get(change.quoteId);
    if (sum === undefined) {
      const first = { ...change };
      pending.set(change.quoteId, first);
      merged.push(first);
    } else {
      sum.views += change.views;
      sum.likes += change.likes;
    }
  }
  return merged;
}
