// The quoter's services on a port, with handlers of the test's own: what tests of serve.ts call. Ended after each test.

import { create } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { jsonLog } from "../../../common/json-log.ts";
import { QuoteCommandService } from "../../../gen/quoter/command/v1/quote_command_service_pb.ts";
import {
  GetQuoteResponseSchema,
  GetRandomQuoteResponseSchema,
  ListQuotesResponseSchema,
  QuoteQueryService,
} from "../../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { type Handlers, implement } from "../handler.ts";
import { refuse } from "../refusal.ts";
import { type ServeOptions, type Serving, serve } from "../serve.ts";
import { type TestClient, testClient } from "./grpc-client.ts";

type Query = Handlers<typeof QuoteQueryService>;
type Command = Handlers<typeof QuoteCommandService>;

export const quiet: Query = {
  getQuote: ({ quoteId }) => create(GetQuoteResponseSchema, { quote: { quoteId, text: "t", author: "a" } }),
  getRandomQuote: () => create(GetRandomQuoteResponseSchema),
  listQuotes: () => create(ListQuotesResponseSchema),
  async *watchQuotes() {
    yield* [];
    return undefined;
  },
};

const noCommand: Command = {
  submitQuote: () => refuse("unavailable", "not here"),
  likeQuote: () => refuse("unavailable", "not here"),
  retractQuote: () => refuse("unavailable", "not here"),
  recordViews: async () => refuse("unavailable", "not here"),
};

export interface Started {
  readonly serving: Serving;
  readonly client: TestClient;
  readonly log: string[];
}

export async function startServing(
  query: Partial<Query> = {},
  command: Partial<Command> = {},
  graceMs = 5000,
  more: Pick<ServeOptions, "drainPropagationMs" | "clock"> = {},
): Promise<Started> {
  const log: string[] = [];
  const serving = await serve({
    listen: { host: "127.0.0.1", port: 0 },
    services: [
      implement(QuoteQueryService, { ...quiet, ...query }),
      implement(QuoteCommandService, { ...noCommand, ...command }),
    ],
    health: async () => ({ ok: true, detail: "" }),
    headers: { "x-quoter-version": "v7" },
    log: jsonLog("test", "info", (line) => log.push(line)),
    tracing: undefined,
    drainGraceMs: graceMs,
    ...more,
  });
  const client = testClient(serving.port);
  onTestFinished(() => serving.drain());
  onTestFinished(() => client.close());
  return { serving, client, log };
}
