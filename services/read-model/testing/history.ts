// Event histories for tests, in few words: `history().submit("a").like("a").views({ a: 3 }).records`.

import { create } from "@bufbuild/protobuf";
import {
  QuoteLikedSchema,
  QuoteRetractedSchema,
  QuoteSubmittedSchema,
  StoredEventSchema,
  ViewsRecordedSchema,
} from "../../../gen/quoter/events/v1/events_pb.ts";
import type { QuoterEvent } from "../../events/codec.ts";
import type { LoggedRecord } from "../../events/event-log.ts";
import { recordedAtMs, recordOf } from "../../events/testing/records.ts";
import type { QuoteRow } from "../read-model.ts";

export class History {
  /** Positions 10, 20, 30, …: a model must not take them for a count. */
  readonly records: LoggedRecord[] = [];

  submit(quoteId: string): this {
    return this.event(
      create(QuoteSubmittedSchema, { quoteId, text: `text of ${quoteId}`, author: `author of ${quoteId}` }),
    );
  }

  like(quoteId: string): this {
    return this.event(create(QuoteLikedSchema, { quoteId }));
  }

  retract(quoteId: string): this {
    return this.event(create(QuoteRetractedSchema, { quoteId, reason: "tests" }));
  }

  views(counts: Readonly<Record<string, number>>): this {
    const views = Object.entries(counts).map(([quoteId, count]) => ({ quoteId, count: BigInt(count) }));
    return this.event(create(ViewsRecordedSchema, { producerId: "p", sequence: 1n, views }));
  }

  /** An event of a type that this code does not know. */
  unknown(): this {
    this.event(create(QuoteLikedSchema, { quoteId: "q" }));
    this.records.at(-1)?.record.events.splice(0, 1, create(StoredEventSchema, { type: "quoter.events.v9.Sung" }));
    return this;
  }

  event(...events: readonly QuoterEvent[]): this {
    const position = (this.records.length + 1) * 10;
    this.records.push({ position, stream: "quote-x", version: 1, record: recordOf(`c${position}`, ...events) });
    return this;
  }

  get head(): number {
    return this.records.at(-1)?.position ?? 0;
  }
}

export function history(): History {
  return new History();
}

/** The row of a quote that was submitted by `History.submit`. */
export function row(quoteId: string, submittedPosition: number, views = 0, likes = 0): QuoteRow {
  const [text, author] = [`text of ${quoteId}`, `author of ${quoteId}`];
  return { quoteId, text, author, submittedAtMs: recordedAtMs, submittedPosition, views, likes };
}
