// The truth behind the read models, taken from NATS by a client of its own: every record of the stream, folded into
// quotes by code that shares nothing with the projector. Held against the tables of both models.

import { fromBinary } from "@bufbuild/protobuf";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "nats";
import {
  CommandRecordSchema,
  QuoteLikedSchema,
  QuoteRetractedSchema,
  QuoteSubmittedSchema,
  type StoredEvent,
  ViewsRecordedSchema,
} from "../../gen/quoter/events/v1/events_pb.ts";

export interface LoggedQuote {
  readonly quoteId: string;
  readonly text: string;
  readonly author: string;
  likes: number;
  views: number;
}

export interface ReplayedLog {
  readonly quotes: ReadonlyMap<string, LoggedQuote>;
  /** Records by their command id and aggregate; more than one means that a command was taken twice. */
  readonly recordsTwice: number;
  /** The sequence of the last record. */
  readonly head: number;
}

export async function replayLog(natsUrl: string): Promise<ReplayedLog> {
  const connection = await connect({ servers: natsUrl });
  try {
    const quotes = new Map<string, LoggedQuote>();
    const commands = new Set<string>();
    let recordsTwice = 0;
    let head = 0;
    const consumer = await jetstream(connection).consumers.get("QUOTER_EVENTS");
    const messages = await consumer.consume();
    for await (const message of messages) {
      const record = fromBinary(CommandRecordSchema, message.data);
      const key = `${message.subject} ${record.commandId}`;
      if (commands.has(key)) recordsTwice++;
      commands.add(key);
      for (const event of record.events) fold(quotes, event);
      head = message.seq;
      if (message.info.pending === 0) break;
    }
    return { quotes, recordsTwice, head };
  } finally {
    await connection.close();
  }
}

function fold(quotes: Map<string, LoggedQuote>, { type, payload }: StoredEvent): void {
  const quoteOf = (quoteId: string) => quotes.get(quoteId);
  if (type === QuoteSubmittedSchema.typeName) {
    const { quoteId, text, author } = fromBinary(QuoteSubmittedSchema, payload);
    quotes.set(quoteId, { quoteId, text, author, likes: 0, views: 0 });
  } else if (type === QuoteLikedSchema.typeName) {
    const quote = quoteOf(fromBinary(QuoteLikedSchema, payload).quoteId);
    if (quote !== undefined) quote.likes++;
  } else if (type === QuoteRetractedSchema.typeName) {
    quotes.delete(fromBinary(QuoteRetractedSchema, payload).quoteId);
  } else if (type === ViewsRecordedSchema.typeName) {
    for (const { quoteId, count } of fromBinary(ViewsRecordedSchema, payload).views) {
      const quote = quoteOf(quoteId);
      if (quote !== undefined) quote.views += Number(count);
    }
  } else throw new Error(`an event of type ${type} in the log`);
}
