// The quoter as processes on a real nats-server: a command, the two views of it, and kill -9 of NATS under load. None
// of our processes is restarted. Takes seconds: it starts four processes and waits for NATS to be back.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../../e2e/testing/nats-server.ts";
import { QuoteCommandService } from "../../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService } from "../../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { QuoteQueryService as QuoteQueryServiceV2 } from "../../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { type TestClient, testClient } from "../../kit/testing/grpc-client.ts";
import { openLog } from "../testing/nats-fixture.ts";

const UNAVAILABLE = 14;
const QUOTES = 8;
const { submitQuote, likeQuote } = QuoteCommandService.method;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Started {
  readonly child: ChildProcess;
  readonly ready: { readonly listen?: string };
}

async function start(service: string, env: Record<string, string>): Promise<Started> {
  const main = join(import.meta.dirname, `../../${service}/main.ts`);
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let complaints = "";
  child.stderr.on("data", (chunk) => {
    complaints += chunk;
  });
  ends.push(() => child.kill("SIGKILL"));
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  if (text === "") throw new Error(`${service} did not start: ${complaints}`);
  return { child, ready: JSON.parse(text) };
}

function clientOf({ ready }: Started): TestClient {
  const client = testClient(Number(/:(\d+)$/.exec(ready.listen ?? "")?.[1]));
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
  return { started, command: clientOf(started[0]), query: clientOf(started[2]) };
}

/** Likes its quote again and again; the same command id until it is taken. */
async function likes(command: TestClient, quoteId: string, mayGoOn: () => boolean, counts: { refused: number }) {
  let liked = 0;
  while (mayGoOn()) {
    for (;;) {
      const { code, details } = await command.unary(likeQuote, { quoteId, commandId: `l-${quoteId}-${liked}` });
      if (code === 0) break;
      if (code !== UNAVAILABLE) throw new Error(`${code} ${details}`);
      counts.refused++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    liked++;
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
    let queries = 0;
    const counts = { refused: 0 };
    const liking = ids.map((id) => likes(command, id, () => isKilling, counts));
    const querying = (async () => {
      for (; isKilling; queries++) {
        const { code, details } = await query.unary(QuoteQueryService.method.getQuote, { quoteId: ids[0] ?? "" });
        if (code !== 0) throw new Error(`query: ${code} ${details}`);
      }
    })();
    for (let kill = 0; kill < 3; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      await server.kill();
      await new Promise((resolve) => setTimeout(resolve, 300));
      await server.restart();
    }
    await new Promise((resolve) => setTimeout(resolve, 700));
    isKilling = false;
    const [liked] = await Promise.all([Promise.all(liking), querying]);

    expect(counts.refused).toBeGreaterThan(0);
    expect(queries).toBeGreaterThan(100);
    const shown = async () => {
      const { message } = await query.unary(QuoteQueryServiceV2.method.listQuotes, { pageSize: 100 });
      return ids.map((id) => Number(message?.quotes.find(({ quoteId }) => quoteId === id)?.likes));
    };
    await expect.poll(shown, { timeout: 10_000 }).toEqual(liked);
    const log = await openLog(JSON.stringify({ url: server.url, streamName: "QUOTER_EVENTS" }));
    ends.push(() => log.close());
    expect(await log.head()).toBe(QUOTES + liked.reduce((sum, count) => sum + count, 0));
    for (const { child } of started) expect(child.exitCode).toBeNull();
  }, 60_000);
});
