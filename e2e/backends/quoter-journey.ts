// The whole journey of a user of the quoter, against a system that runs already, wherever: all it needs is the
// gateway's address and Jaeger's. Calls as people make them (grpcurl, `ferry call`, generated types on grpc-js) and the
// whole trace of one command. Called for processes on real servers and for containers. Waits for events, each with a
// deadline; may be played many times on the same data.

import { randomBytes } from "node:crypto";
import { QuoteCommandService } from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService as QueryV1 } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { QuoteQueryService as QueryV2 } from "../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { eventually } from "../testing/eventually.ts";
import { ferry, runToEnd } from "../testing/ferry.ts";
import { type CallResult, GrpcClient } from "../testing/grpc-client.ts";
import { command, queryV1, queryV2 } from "../testing/quoter-services.ts";
import { findGrpcurl } from "../testing/tools.ts";
import { wholeTrace } from "./jaeger-trace.ts";

export interface JourneyParams {
  /** `host:port`. */
  readonly gateway: string;
  /** `http://host:port` of Jaeger's page and API. */
  readonly jaeger: string;
  /** Told before each step. */
  readonly onStep?: (name: string) => void;
}

export interface JourneyResult {
  /** Calls that were made, and those whose answer was not what it must be. A refusal that must come is not failed. */
  readonly calls: number;
  readonly failed: number;
  readonly traceSpans: number;
  readonly traceId: string;
  /** Every span as `service: operation`. */
  readonly spans: readonly string[];
  /** One sentence for each thing that did not hold; empty when all did. */
  readonly problems: readonly string[];
}

const { submitQuote, likeQuote } = QuoteCommandService.method;
const timeoutMs = 10_000;

/** Plays it to its end, whatever fails on the way. Rejects only when it cannot be played: without grpcurl. */
export async function playJourney({ gateway, jaeger, onStep = () => {} }: JourneyParams): Promise<JourneyResult> {
  const journey = new Journey(onStep);
  const client = new GrpcClient(gateway);
  try {
    await callByGrpcurl(journey, gateway);
    await callByFerry(journey, gateway);
    await callByClient(journey, client);
    const trace = await traceOneCommand(journey, client, jaeger);
    const { calls, failed, problems } = journey;
    return { calls, failed, traceSpans: trace.spans.length, ...trace, problems };
  } finally {
    client.close();
  }
}

/** Counts calls and keeps what did not hold. */
class Journey {
  /** Makes command ids and texts of this journey unlike those of another. */
  readonly run = randomBytes(6).toString("hex");
  readonly problems: string[] = [];
  readonly #onStep: (name: string) => void;
  calls = 0;
  failed = 0;

  constructor(onStep: (name: string) => void) {
    this.#onStep = onStep;
  }

  /** One call; what `check` throws makes it failed. Undefined then. */
  async call<T>(name: string, check: () => Promise<T>): Promise<T | undefined> {
    this.#onStep(name);
    this.calls++;
    try {
      return await check();
    } catch (error) {
      this.failed++;
      this.problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }
}

function demand(isMet: boolean, otherwise: () => string): void {
  if (!isMet) throw new Error(otherwise());
}

async function callByGrpcurl(journey: Journey, gateway: string): Promise<void> {
  const program = findGrpcurl();
  const grpcurl = async (expected: string, ...args: readonly string[]) => {
    const done = await runToEnd(program, ["-plaintext", "-max-time", "15", ...args]);
    const isRight = done.code === 0 && done.stdout.includes(expected);
    demand(isRight, () => `expected ${expected}, but grpcurl ended with ${done.code}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  };
  await journey.call("grpcurl list", async () => {
    const list = await grpcurl(command, gateway, "list");
    for (const name of [queryV1, queryV2]) demand(list.includes(name), () => `${name} is not in the list: ${list}`);
  });
  await journey.call("grpcurl describe", () =>
    grpcurl("rpc SubmitQuote ( .quoter.command.v1.SubmitQuoteRequest )", gateway, "describe", command),
  );
  await journey.call("grpcurl health", () => grpcurl("SERVING", gateway, "grpc.health.v1.Health/Check"));
  const submitted = await journey.call("grpcurl SubmitQuote", async () => {
    const request = JSON.stringify({ text: `By curl, ${journey.run}.`, author: "grpcurl" });
    return JSON.parse(await grpcurl("quoteId", "-d", request, gateway, `${command}/SubmitQuote`));
  });
  const request = JSON.stringify({ quoteId: submitted?.quoteId, minPosition: submitted?.position });
  for (const service of [queryV1, queryV2]) {
    await journey.call(`grpcurl ${service}/GetQuote`, () =>
      grpcurl(`By curl, ${journey.run}.`, "-d", request, gateway, `${service}/GetQuote`),
    );
  }
}

async function callByFerry(journey: Journey, gateway: string): Promise<void> {
  const call = async (method: string, request: unknown) => {
    const args = ["call", method, JSON.stringify(request), "--addr", gateway, "--timeout", "10s", "--json"];
    const { json, stderr } = await ferry(args);
    demand(json?.code === "OK", () => `ferry call answers ${json?.code} ${json?.message} ${stderr}`);
    return json?.messages[0];
  };
  const submitted = await journey.call("ferry call SubmitQuote", () =>
    call(`${command}/SubmitQuote`, { text: `By hand, ${journey.run}.`, author: "A user" }),
  );
  await journey.call("ferry call GetQuote", async () => {
    const { quoteId, position: minPosition } = submitted ?? {};
    const { quote } = await call(`${queryV2}/GetQuote`, { quoteId, minPosition });
    demand(quote.quoteId === quoteId, () => `another quote: ${JSON.stringify(quote)}`);
  });
}

/** The reply of a call that must be OK. */
function ok<T>({ code, message, reply }: CallResult<T>): T {
  if (code !== "OK" || reply === undefined) throw new Error(`answers ${code} ${message}`);
  return reply;
}

async function callByClient(journey: Journey, client: GrpcClient): Promise<void> {
  const { run } = journey;
  const submit = { commandId: `journey-${run}`, text: `Twice? ${run}.`, author: "Nobody" };
  const shown = watchFor(client, submit.text);
  await journey.call("WatchQuotes stands", shown.stands);
  const submitted = await journey.call("SubmitQuote", async () =>
    ok(await client.unary(submitQuote, submit, { timeoutMs })),
  );
  const { quoteId = "", position = "" } = submitted ?? {};
  await journey.call("WatchQuotes shows the new quote", shown.comes);
  await journey.call("SubmitQuote again by the same command id", async () => {
    const again = ok(await client.unary(submitQuote, submit, { timeoutMs }));
    demand(again.quoteId === quoteId, () => `quote ${again.quoteId}, not ${quoteId}`);
  });
  const liked = await journey.call("LikeQuote", async () =>
    ok(await client.unary(likeQuote, { commandId: `like-${run}`, quoteId }, { timeoutMs })),
  );
  await journey.call("LikeQuote again by the same command id", async () =>
    ok(await client.unary(likeQuote, { commandId: `like-${run}`, quoteId }, { timeoutMs })),
  );
  await queryByClient(journey, client, { quoteId, minPosition: liked?.position ?? position });
  await journey.call("an empty text is refused", async () => {
    const { code, message } = await client.unary(submitQuote, { text: "", author: "Nobody" }, { timeoutMs });
    demand(code === "INVALID_ARGUMENT" && message.includes("text"), () => `answers ${code} ${message}`);
  });
  await journey.call("a quote that is not there is not found", async () => {
    const { code, message } = await client.unary(QueryV1.method.getQuote, { quoteId: "no-such-quote" }, { timeoutMs });
    demand(code === "NOT_FOUND", () => `answers ${code} ${message}`);
  });
}

/** Reads what was written: `quoteId` has one like as of `minPosition`. */
async function queryByClient(
  journey: Journey,
  client: GrpcClient,
  { quoteId, minPosition }: { quoteId: string; minPosition: string },
): Promise<void> {
  const versionOf = (done: CallResult<unknown>) => String(done.headers.get("x-quoter-version")[0]);
  const isIn = (quotes: readonly { quoteId: string }[]) => quotes.some((quote) => quote.quoteId === quoteId);
  await journey.call("GetQuote of API v1", async () => {
    const { quote } = ok(await client.unary(QueryV1.method.getQuote, { quoteId, minPosition }, { timeoutMs }));
    demand(quote?.quoteId === quoteId, () => `quote ${quote?.quoteId}`);
  });
  await journey.call("GetQuote of API v2 counts one like", async () => {
    const { quote } = ok(await client.unary(QueryV2.method.getQuote, { quoteId, minPosition }, { timeoutMs }));
    demand(quote?.likes === 1n, () => `${quote?.likes} likes after two commands with one id`);
  });
  await journey.call("x-device: mobile goes to version v2", async () => {
    const headers = { "x-device": "mobile" };
    const done = await client.unary(QueryV1.method.getQuote, { quoteId, minPosition }, { timeoutMs, headers });
    ok(done);
    demand(versionOf(done) === "v2", () => `version ${versionOf(done)} answered`);
  });
  await journey.call("GetRandomQuote", async () => {
    const { quote } = ok(await client.unary(QueryV1.method.getRandomQuote, { minPosition }, { timeoutMs }));
    demand(quote !== undefined, () => "no quote");
  });
  await journey.call("ListQuotes of API v1", async () =>
    demand(
      isIn(ok(await client.unary(QueryV1.method.listQuotes, { minPosition }, { timeoutMs })).quotes),
      () => "not in",
    ),
  );
  await journey.call("ListQuotes of API v2", async () =>
    demand(
      isIn(ok(await client.unary(QueryV2.method.listQuotes, { minPosition }, { timeoutMs })).quotes),
      () => "not in",
    ),
  );
}

/** A watch from now on that waits for a quote with this text. */
function watchFor(client: GrpcClient, text: string) {
  const seen = new Set<string>();
  const watch = client.watch(QueryV1.method.watchQuotes, {}, ({ quote }) => seen.add(quote?.text ?? ""));
  const ended = watch.ended.then(({ code, details }) => {
    throw new Error(`the watch ended with ${code} ${details}`);
  });
  ended.catch(() => {});
  return {
    stands: () => within(Promise.race([watch.started, ended]), "no header came"),
    comes: async () => {
      try {
        const shown = eventually("it is shown", timeoutMs, async () => (seen.has(text) ? true : undefined));
        await Promise.race([shown, ended]);
      } finally {
        watch.stop();
      }
    },
  };
}

function within<T>(event: Promise<T>, otherwise: string): Promise<T> {
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(() => reject(new Error(`${otherwise} within ${timeoutMs} ms`)), timeoutMs).unref();
  });
  return Promise.race([event, late]);
}

async function traceOneCommand(journey: Journey, client: GrpcClient, jaeger: string) {
  // Never all zeros, which W3C forbids; a leading zero would be cut by some of Jaeger's pages.
  const traceId = `f${randomBytes(16).toString("hex").slice(1)}`;
  const spanId = `f${randomBytes(8).toString("hex").slice(1)}`;
  await journey.call("SubmitQuote with a trace", async () => {
    const request = { commandId: `traced-${journey.run}`, text: "Ariadne's thread.", author: "A weaver" };
    const headers = { traceparent: `00-${traceId}-${spanId}-01` };
    return ok(await client.unary(submitQuote, request, { timeoutMs, headers }));
  });
  try {
    return await wholeTrace(jaeger, traceId, spanId);
  } catch (error) {
    journey.problems.push(error instanceof Error ? error.message : String(error));
    return { traceId, spans: [] };
  }
}
