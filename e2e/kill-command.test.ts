// Command instances and projectors are killed while commands run. Callers repeat a failed command by its own id; at the
// end every sum is exact: nothing lost, nothing doubled.

import { afterAll, beforeAll, expect, test } from "vitest";
import { QuoteCommandService } from "../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService as QueryV1 } from "../gen/quoter/query/v1/quote_query_service_pb.ts";
import { QuoteQueryService as QueryV2 } from "../gen/quoter/query/v2/quote_query_service_pb.ts";
import { eventually } from "./testing/eventually.ts";
import { type CallResult, GrpcClient } from "./testing/grpc-client.ts";
import { startStack, type TestStack } from "./testing/stack.ts";

const { submitQuote, likeQuote, recordViews } = QuoteCommandService.method;

const callers = 6;
const quotesEach = 25;
const viewsPerBatch = 7;

let stack: TestStack;
let client: GrpcClient;
let repeated = 0;

beforeAll(async () => {
  stack = await startStack();
  client = new GrpcClient(stack.gateway);
});
afterAll(async () => {
  client?.close();
  await stack?.dispose();
});

/** Repeats the same command, by the same id, until it is answered OK. */
async function insist<T>(what: string, call: () => Promise<CallResult<T>>): Promise<T> {
  for (let attempt = 1; attempt <= 100; attempt++) {
    const { code, message, reply } = await call();
    if (code === "OK" && reply !== undefined) return reply;
    repeated++;
    if (code !== "UNAVAILABLE" && code !== "DEADLINE_EXCEEDED") throw new Error(`${what}: ${code} ${message}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: still failing after 100 attempts`);
}

/** Quotes, one like on each, and a batch of views on each; every third command is sent twice on purpose. */
async function work(caller: number, onProgress: () => void): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < quotesEach; n++) {
    const options = { timeoutMs: 5000 };
    const submit = { commandId: `submit-${caller}-${n}`, text: `Quote ${n}`, author: `Caller ${caller}` };
    const { quoteId } = await insist("SubmitQuote", () => client.unary(submitQuote, submit, options));
    if (n % 3 === 0) {
      const again = await insist("SubmitQuote again", () => client.unary(submitQuote, submit, options));
      expect(again.quoteId).toBe(quoteId);
    }
    const like = { commandId: `like-${caller}-${n}`, quoteId };
    await insist("LikeQuote", () => client.unary(likeQuote, like, options));
    if (n % 3 === 1) await insist("LikeQuote again", () => client.unary(likeQuote, like, options));
    const views = {
      producerId: `caller-${caller}`,
      sequence: BigInt(n + 1),
      views: [{ quoteId, count: BigInt(viewsPerBatch) }],
    };
    await insist("RecordViews", () =>
      client.clientStream(recordViews, n % 3 === 2 ? [views, views] : [views], options),
    );
    ids.push(quoteId);
    onProgress();
  }
  return ids;
}

test("kill -9 of a command instance and of both projectors loses nothing and doubles nothing", async () => {
  const commandPid = await stack.pidOf("quote-command-1", "pid");
  const pidOf = (name: string): number =>
    stack.ready.processes.find((process: { name: string }) => process.name === name).pid;
  const victims = [commandPid, pidOf("quote-projector-v1"), pidOf("quote-projector-v2")];
  // Spread over the work, by how far it has come and not by a clock.
  let done = 0;
  const killAt = victims.map((_, at) => Math.round((callers * quotesEach * (at + 1)) / 4));
  const onProgress = () => {
    const at = killAt.indexOf(++done);
    if (at >= 0) process.kill(victims[at]!, "SIGKILL");
  };
  const ids = (await Promise.all(Array.from({ length: callers }, (_, caller) => work(caller, onProgress)))).flat();
  const total = callers * quotesEach;
  expect(new Set(ids).size).toBe(total);

  // A last command's position makes both models catch up with all before it.
  const { position } = await insist("LikeQuote", () =>
    client.unary(likeQuote, { commandId: "last", quoteId: ids[0]! }),
  );
  await eventually("all is healthy again", 30_000, async () => ((await stack.status()).code === 0 ? true : undefined));
  const v2 = await listAll(async (pageToken) => {
    const { code, message, reply } = await client.unary(QueryV2.method.listQuotes, {
      pageSize: 100,
      pageToken,
      minPosition: position,
    });
    expect(`${code} ${message}`).toMatch(/^OK/);
    return reply!;
  });
  expect(v2.map(({ quoteId }) => quoteId).sort()).toEqual([...ids].sort());
  for (const { quoteId, likes, views } of v2) {
    expect({ quoteId, likes, views }).toEqual({
      quoteId,
      likes: quoteId === ids[0] ? 2n : 1n,
      views: BigInt(viewsPerBatch),
    });
  }
  // Through v1's own model: its instances serve nine of ten calls, so ask until all pages came from one.
  await eventually("v1's model has every quote once", 20_000, async () => {
    const versions = new Set<string>();
    const v1 = await listAll(async (pageToken) => {
      const { reply, headers } = await client.unary(QueryV1.method.listQuotes, {
        pageSize: 1000,
        pageToken,
        minPosition: position,
      });
      versions.add(String(headers.get("x-quoter-version")[0]));
      return reply!;
    });
    if (versions.size !== 1 || !versions.has("v1")) return undefined;
    expect(v1.map(({ quoteId }) => quoteId).sort()).toEqual([...ids].sort());
    return true;
  });
  process.stdout.write(
    `${total} quotes, ${total + 1} likes, ${total * viewsPerBatch} views; ${repeated} commands repeated\n`,
  );
});

test("the killed processes run again under new ids", async () => {
  await eventually("quote-command-1 has a new pid", 20_000, async () => {
    const pid = await stack.pidOf("quote-command-1", "pid");
    return pid > 0 && stack.up.stderr.includes("quote-command-1 (pid ") ? true : undefined;
  });
  for (const name of ["quote-command-1", "quote-projector-v1", "quote-projector-v2"]) {
    expect(stack.up.stderr).toMatch(new RegExp(`${name} \\(pid \\d+\\) was killed by SIGKILL; starting it again`));
  }
});

async function listAll<Q>(page: (pageToken: string) => Promise<{ quotes: Q[]; nextPageToken: string }>): Promise<Q[]> {
  const all: Q[] = [];
  for (let token = ""; ; ) {
    const { quotes, nextPageToken } = await page(token);
    all.push(...quotes);
    if (nextPageToken === "") return all;
    token = nextPageToken;
  }
}
