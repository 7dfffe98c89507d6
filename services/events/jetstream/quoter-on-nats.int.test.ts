// The quoter as processes on a real nats-server: a command, the two views of it, and kill -9 of NATS under load. None
// of our processes is restarted. Takes seconds: it starts four processes and waits for NATS to be back.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../../e2e/testing/nats-server.ts";
import { QuoteCommandService } from "../../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService } from "../../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { QuoteQueryService as QuoteQueryServiceV2 } from "../../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { type TestClient, testClient } from "../../kit/testing/grpc-client.ts";
import { MainProcess, type ServiceName } from "../../kit/testing/main-process.ts";
import { connectBeside, openLog } from "../testing/nats-fixture.ts";

const UNAVAILABLE = 14;
const QUOTES = 8;
const { submitQuote, likeQuote } = QuoteCommandService.method;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(service: ServiceName, env: Record<string, string>) {
  const process = new MainProcess(service, env);
  ends.push(() => process.stop("SIGKILL"));
  return { process, ready: await process.ready() };
}

function clientOf({ ready }: Awaited<ReturnType<typeof start>>): TestClient {
  const client = testClient(Number(/:(\d+)$/.exec(String(ready.listen))?.[1]));
  ends.push(() => client.close());
  return client;
}

async function startQuoter(server: NatsServer) {
  const home = mkdtempSync(join(tmpdir(), "ferry-quoter-"));
  ends.push(() => rmSync(home, { recursive: true, force: true }));
  const env = { FERRY_HOME: home, FERRY_EVENTS: "nats", NATS_URL: server.url, FERRY_EVENTS_MAX_BYTES: "268435456" };
  const started = [
    await start("quote-command", env),
    await start("quote-projector", { ...env, FERRY_VERSION: "v2" }),
    await start("quote-query", { FERRY_HOME: home, FERRY_VERSION: "v2" }),
  ] as const;
  return { started, env, command: clientOf(started[0]), query: clientOf(started[2]) };
}

/** The stream's consumers and how many records each has not got. */
async function consumers(server: NatsServer): Promise<Readonly<Record<string, number>>> {
  const connection = await connectBeside(server.url, "QUOTER_EVENTS");
  try {
    const found = await (await jetstreamManager(connection)).consumers.list("QUOTER_EVENTS").next();
    return Object.fromEntries(found.map(({ name, num_pending }) => [name, num_pending]));
  } finally {
    await connection.close();
  }
}

interface Counts {
  liked: number;
  refused: number;
  queries: number;
}

/** Likes its quote again and again; the same command id until it is taken. Gives how often. */
async function likes(command: TestClient, quoteId: string, mayGoOn: () => boolean, counts: Counts): Promise<number> {
  let liked = 0;
  const like = async () => {
    const { code, details } = await command.unary(likeQuote, { quoteId, commandId: `l-${quoteId}-${liked}` });
    if (code !== 0 && code !== UNAVAILABLE) throw new Error(`${code} ${details}`);
    if (code !== 0) counts.refused++;
    return code;
  };
  while (mayGoOn()) {
    await expect.poll(like, { interval: 10, timeout: 20_000 }).toBe(0);
    liked++;
    counts.liked++;
  }
  return liked;
}

describe("the quoter on NATS", () => {
  test("submit, get, watch; kill -9 of NATS under load, three times: nothing lost, nothing doubled", async () => {
    const server = await startNats();
    ends.push(() => server.remove());
    const { started, command, query } = await startQuoter(server);
    const watched: string[] = [];
    const watching = query.serverStream(QuoteQueryService.method.watchQuotes, {});
    watching.on("data", ({ quote }) => watched.push(quote?.quoteId ?? ""));
    watching.on("error", () => {});
    ends.push(() => watching.cancel());

    const ids: string[] = [];
    for (let i = 0; i < QUOTES; i++) {
      const { message } = await command.unary(submitQuote, { commandId: `s-${i}`, text: `quote ${i}`, author: "a" });
      ids.push(message?.quoteId ?? "");
      const minPosition = message?.position ?? "";
      const got = await query.unary(QuoteQueryService.method.getQuote, { quoteId: ids[i] ?? "", minPosition });
      expect(got.message?.quote?.text).toBe(`quote ${i}`);
    }
    await expect.poll(() => watched, { timeout: 5000 }).toEqual(ids);

    let isKilling = true;
    const counts: Counts = { liked: 0, refused: 0, queries: 0 };
    const liking = ids.map((id) => likes(command, id, () => isKilling, counts));
    const querying = (async () => {
      for (; isKilling; counts.queries++) {
        const { code, details } = await query.unary(QuoteQueryService.method.getQuote, { quoteId: ids[0] ?? "" });
        if (code !== 0) throw new Error(`query: ${code} ${details}`);
      }
    })();
    const grows = async (count: keyof Counts, by: number) => {
      const before = counts[count];
      await expect.poll(() => counts[count], { interval: 2, timeout: 20_000 }).toBeGreaterThan(before + by);
    };
    for (let kill = 0; kill < 3; kill++) {
      await grows("liked", 200);
      await server.kill();
      await grows("refused", QUOTES);
      await grows("queries", 50);
      await server.restart();
    }
    await grows("liked", 200);
    isKilling = false;
    const [liked] = await Promise.all([Promise.all(liking), querying]);

    const shown = async () => {
      const { message } = await query.unary(QuoteQueryServiceV2.method.listQuotes, { pageSize: 100 });
      return ids.map((id) => Number(message?.quotes.find(({ quoteId }) => quoteId === id)?.likes));
    };
    await expect.poll(shown, { timeout: 10_000 }).toEqual(liked);
    const log = await openLog(JSON.stringify({ url: server.url, streamName: "QUOTER_EVENTS" }));
    ends.push(() => log.close());
    expect(await log.head()).toBe(QUOTES + liked.reduce((sum, count) => sum + count, 0));
    for (const { process } of started) expect(await process.stop("SIGTERM")).toBe(0);
    expect(await consumers(server)).toEqual({ "quotes-v2": 0 });
  }, 60_000);

  test("operators see the projector by its model's name, with a rebuild beside it and its lag", async () => {
    const server = await startNats();
    ends.push(() => server.remove());
    const { started, command, env } = await startQuoter(server);
    const submit = async (text: string) => {
      const { message } = await command.unary(submitQuote, { commandId: `s-${text}`, text, author: "a" });
      return message?.position ?? "";
    };
    await submit("first");
    await expect.poll(() => consumers(server), { timeout: 5000 }).toEqual({ "quotes-v2": 0 });
    expect(await started[1].process.stop("SIGTERM")).toBe(0);
    await submit("second");
    await submit("third");
    expect(await consumers(server)).toEqual({ "quotes-v2": 2 });

    const rebuilding = new MainProcess("quote-projector", { ...env, FERRY_VERSION: "v2" }, "--rebuild");
    ends.push(() => rebuilding.stop("SIGKILL"));
    await rebuilding.says("the rebuilt model serves");
    await expect.poll(() => consumers(server), { timeout: 5000 }).toEqual({ "quotes-v2": 0 });
    expect(await rebuilding.stop("SIGTERM")).toBe(0);
  }, 30_000);
});
