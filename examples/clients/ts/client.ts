// Calls the quoter through Ferry's gateway with a generated client: unary, server stream, client stream.
//
//   node examples/clients/ts/client.ts [http://127.0.0.1:8080]
//
// Nothing here knows of Ferry: it is an ordinary gRPC client. Prints what it does, and one JSON object at the end.

import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { QuoteCommandService } from "./gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService } from "./gen/quoter/query/v1/quote_query_service_pb.ts";

const transport = createGrpcTransport({ baseUrl: process.argv[2] ?? "http://127.0.0.1:8080", defaultTimeoutMs: 5_000 });
const commands = createClient(QuoteCommandService, transport);
const queries = createClient(QuoteQueryService, transport);

/** Adds a quote. The command id makes it safe to send again: the same id never adds a second one. */
async function submit(text: string) {
  return await commands.submitQuote({ commandId: randomUUID(), text, author: "the TypeScript client" });
}

// Unary: write, then read what was written. `minPosition` waits until the read model has seen the write.
const first = await submit("Panta rhei.");
const { quote } = await queries.getQuote({ quoteId: first.quoteId, minPosition: first.position });
console.log(`submitted and read back ${quote?.quoteId}: ${quote?.text}`);

// Server stream: everything behind the first quote, until the second one, which is submitted meanwhile, comes by.
const watching = watchUntil("Nobody steps into the same river twice.", first.position);
const second = await submit("Nobody steps into the same river twice.");
const watched = await watching;
console.log(`watched ${watched} arrive`);

async function watchUntil(text: string, afterPosition: string): Promise<string | undefined> {
  // A watch has no deadline; what ends it is the abort, not leaving the loop.
  const end = new AbortController();
  try {
    for await (const { quote: seen } of queries.watchQuotes({ afterPosition }, { signal: end.signal, timeoutMs: 0 })) {
      if (seen?.text === text) return seen.quoteId;
    }
    return undefined;
  } finally {
    end.abort();
  }
}

// Client stream: batches of views, numbered by their producer.
const producerId = `ts-${randomUUID()}`;

async function* batches(from: number, to: number) {
  for (let sequence = from; sequence <= to; sequence++) {
    yield { producerId, sequence: BigInt(sequence), views: [{ quoteId: first.quoteId, count: 10n }] };
  }
}

await commands.recordViews(batches(1, 3));
// A producer that does not know whether batch 3 got through sends it again: it is counted as a duplicate.
const again = await commands.recordViews(batches(3, 4));
console.log(`recorded ${again.recordedBatches} batch more, ${again.duplicateBatches} had been there before`);

console.log(
  JSON.stringify({
    quoteId: first.quoteId,
    readText: quote?.text,
    watched: watched === second.quoteId,
    recordedBatches: Number(again.recordedBatches),
    duplicateBatches: Number(again.duplicateBatches),
    lastSequence: Number(again.lastSequence),
  }),
);
