// A steady load of queries and commands through the gateway, begun by the clock and not when the call before has ended,
// so that a slow answer does not make fewer calls. Every call is counted. A query is asked once; a command is repeated
// by its own id until it is acknowledged, as a careful user would, and then stands in the ledger.

import { QuoteCommandService } from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService as QueryV1 } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { QuoteQueryService as QueryV2 } from "../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { eventually } from "../testing/eventually.ts";
import { type CallResult, GrpcClient } from "../testing/grpc-client.ts";
import { OpenLoop } from "../testing/open-loop.ts";
import { type Ledger, loadAuthor } from "./ledger.ts";

export interface Failure {
  readonly atMs: number;
  /** As `GetQuote v1: UNAVAILABLE …`. */
  readonly what: string;
  readonly code: string;
  /** The status's message: why. */
  readonly message: string;
  readonly tookMs: number;
}

export interface LoadOptions {
  readonly gateway: string;
  readonly ledger: Ledger;
  readonly queriesPerSecond: number;
  readonly commandsPerSecond: number;
}

const { submitQuote, likeQuote } = QuoteCommandService.method;
const timeoutMs = 5000;
/** Between two attempts at one command: 100 ms, then twice as long up to this. */
const longestPauseMs = 1000;

export class SteadyLoad {
  /** Since the start. `commands` counts commands, `refusals` every attempt that was refused. */
  queries = 0;
  commands = 0;
  readonly queryFailures: Failure[] = [];
  readonly refusals: Failure[] = [];
  readonly #options: LoadOptions;
  readonly #client: GrpcClient;
  readonly #queryLoop: OpenLoop;
  #commandLoop: OpenLoop;
  #isStopped = false;
  #begunCommands = 0;
  #begunQueries = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#client = new GrpcClient(options.gateway);
    this.#queryLoop = new OpenLoop(options.queriesPerSecond, () => this.#query());
    this.#commandLoop = this.#newCommandLoop();
  }

  /** Puts some quotes there to ask for, then begins. */
  async start(): Promise<void> {
    for (let n = 0; n < 10; n++) await this.#command(submission());
    const { position } = await this.probe();
    await this.seesEverywhere(position);
    this.#queryLoop.start();
    this.#commandLoop.start();
  }

  /** Resolves when `count` more queries have ended. */
  async untilQueries(count: number): Promise<void> {
    await this.#queryLoop.untilEnded(count);
    this.#commandLoop.check();
  }

  /** Begins no further command and resolves when all that were begun are acknowledged. */
  async settle(withinMs: number): Promise<void> {
    const loop = this.#commandLoop;
    loop.stop();
    await eventually("every command is acknowledged", withinMs, async () => {
      if (loop.underWay === 0) return true;
      throw new Error(`${loop.underWay} are not, the last refusal: ${this.refusals.at(-1)?.what}`);
    });
    loop.check();
  }

  /** Goes on with commands after `settle`. */
  resume(): void {
    this.#commandLoop = this.#newCommandLoop();
    this.#commandLoop.start();
  }

  /** One new command; resolves when it is acknowledged. */
  probe(): Promise<{ position: string }> {
    return this.#command(submission());
  }

  /** Resolves when both read models have seen `position`: an instance of each version has answered. */
  async seesEverywhere(position: string, withinMs = 30_000): Promise<void> {
    const seen = new Set<string>();
    await eventually(`both read models have ${position}`, withinMs, async () => {
      const request = { pageSize: 1, minPosition: position };
      const answers = await Promise.all([
        this.#client.unary(QueryV1.method.listQuotes, request, { timeoutMs }),
        this.#client.unary(QueryV2.method.listQuotes, request, { timeoutMs }),
      ]);
      for (const { code, headers, message } of answers) {
        if (code === "OK") seen.add(String(headers.get("x-quoter-version")[0]));
        else throw new Error(`${code} ${message}`);
      }
      return seen.size === 2 ? true : undefined;
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#queryLoop.stop();
    this.#commandLoop.stop();
    this.#client.close();
  }

  /** Submits and likes by turns. */
  #newCommandLoop(): OpenLoop {
    return new OpenLoop(this.#options.commandsPerSecond, async () => {
      await this.#command(this.#begunCommands % 2 === 0 ? submission() : undefined);
    });
  }

  async #query(): Promise<void> {
    const { ids } = this.#options.ledger;
    const n = this.#begunQueries++;
    // Of the first ones: both models are known to have them.
    const quoteId = ids[n % 10]!;
    const options = { timeoutMs };
    const kinds = [
      ["GetQuote v1", () => this.#client.unary(QueryV1.method.getQuote, { quoteId }, options)],
      ["GetRandomQuote v1", () => this.#client.unary(QueryV1.method.getRandomQuote, {}, options)],
      ["GetQuote v2", () => this.#client.unary(QueryV2.method.getQuote, { quoteId }, options)],
      ["ListQuotes v2", () => this.#client.unary(QueryV2.method.listQuotes, { pageSize: 10 }, options)],
    ] as const;
    const [name, call] = kinds[n % kinds.length]!;
    const done = await call();
    if (this.#isStopped) return;
    this.queries++;
    if (done.code !== "OK") this.queryFailures.push(failureOf(name, done));
  }

  /** Submits, or without `text` likes one of the quotes; repeats until it is acknowledged. */
  async #command(text: string | undefined): Promise<{ position: string }> {
    const { ledger } = this.#options;
    const commandId = `load-${this.#begunCommands++}`;
    const liked = ledger.ids[this.#begunCommands % ledger.ids.length] ?? "";
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const options = { timeoutMs };
      const done =
        text === undefined
          ? await this.#client.unary(likeQuote, { commandId, quoteId: liked }, options)
          : await this.#client.unary(submitQuote, { commandId, text, author: loadAuthor }, options);
      if (this.#isStopped) return { position: "" };
      if (done.code === "OK" && done.reply !== undefined) {
        if ("quoteId" in done.reply) ledger.submitted(done.reply.quoteId, text ?? "");
        else ledger.liked(liked);
        this.commands++;
        return done.reply;
      }
      const refusal = failureOf(text === undefined ? "LikeQuote" : "SubmitQuote", done);
      this.refusals.push(refusal);
      if (done.code !== "UNAVAILABLE" && done.code !== "DEADLINE_EXCEEDED") {
        throw new Error(`a command may not be repeated: ${refusal.what}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

let submissions = 0;
function submission(): string {
  return `Quote ${submissions++} of the load.`;
}

function failureOf(name: string, { code, message, headers, trailers, ms }: CallResult<unknown>): Failure {
  const kind = String(trailers.get("x-ferry-failure")[0] ?? headers.get("x-ferry-failure")[0] ?? "");
  const what = `${name}: ${code} ${message}${kind === "" ? "" : ` (${kind})`}`;
  return { atMs: performance.now(), what, code, message, tookMs: Math.round(ms) };
}
