// The mesh configuration is live: an edit moves the traffic, a mistake is refused and told.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { QuoteQueryService } from "../gen/quoter/query/v1/quote_query_service_pb.ts";
import { eventually } from "./testing/eventually.ts";
import { GrpcClient } from "./testing/grpc-client.ts";
import { startQueryLoad } from "./testing/query-load.ts";
import { startStack, type TestStack } from "./testing/stack.ts";

let stack: TestStack;
let client: GrpcClient;
let splitter: string;
let quoteId: string;

beforeAll(async () => {
  stack = await startStack();
  client = new GrpcClient(stack.gateway);
  splitter = join(stack.meshConfig, "service-splitter", "quote-query.json");
  quoteId = await stack.submit("Alea iacta est.", "Caesar");
});
afterAll(async () => {
  client?.close();
  await stack?.dispose();
});

/** Writes the weights of v1 and v2 into the splitter. */
function split(v1: number, v2: number): void {
  const entry = JSON.parse(readFileSync(splitter, "utf8"));
  for (const leg of entry.Splits) leg.Weight = leg.ServiceSubset === "v1" ? v1 : v2;
  writeFileSync(splitter, JSON.stringify(entry, null, 2));
}

/** The versions that answered `calls` calls, counted. */
async function versions(calls: number): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let made = 0; made < calls; made++) {
    const { code, message, headers } = await client.unary(QuoteQueryService.method.getQuote, { quoteId });
    expect(`${code} ${message}`).toMatch(/^OK/);
    const version = String(headers.get("x-quoter-version")[0]);
    seen[version] = (seen[version] ?? 0) + 1;
  }
  return seen;
}

test("the split at the start is 90 to 10", async () => {
  const seen = await versions(400);
  expect(Object.keys(seen).sort()).toEqual(["v1", "v2"]);
  // 4 standard deviations of 400 draws at 10 % are 24.
  expect(seen.v2).toBeGreaterThan(40 - 25);
  expect(seen.v2).toBeLessThan(40 + 25);
});

test("an edit from 90/10 to 0/100 moves all new calls in less than a second and fails none", async () => {
  const load = startQueryLoad(stack.gateway, quoteId, 200);
  await load.untilCalls(400);
  const editedMs = performance.now();
  split(0, 100);
  await load.untilCalls(600);
  expect(await versions(200)).toEqual({ v2: 200 });
  expect(await load.end()).toEqual([]);
  const last = load.calls.findLast(({ version }) => version === "v1");
  expect(last).toBeDefined();
  expect(last!.beganMs - editedMs).toBeLessThan(1000);
});

test("a mistake is refused with file, path and expected form, and the last good split stays in force", async () => {
  split(50, 51);
  const refused = await eventually("the refusal is reported", 5000, async () => {
    const { json } = await stack.status();
    return json?.config.rejected.length > 0 ? json : undefined;
  });
  expect(refused.ok).toBe(false);
  const [entry] = refused.config.rejected;
  expect(entry.file).toContain("service-splitter/quote-query.json");
  expect(entry.path).toContain("Splits");
  expect(entry.expected).toContain("100");
  expect(entry.found).toContain("101");
  expect(await versions(100)).toEqual({ v2: 100 });
  writeFileSync(splitter, "{ not json");
  await eventually("a file that is not JSON is refused", 5000, async () => {
    const { json } = await stack.status();
    return json?.config.rejected.some(({ found }: { found: string }) => !found.includes("101")) ? true : undefined;
  });
  expect(await versions(100)).toEqual({ v2: 100 });
});

test("a corrected file takes effect and the refusal is gone", async () => {
  writeFileSync(
    splitter,
    JSON.stringify({ Kind: "service-splitter", Name: "quote-query", Splits: [{ Weight: 100, ServiceSubset: "v1" }] }),
  );
  await eventually("all is healthy again", 5000, async () => {
    const { code } = await stack.status();
    return code === 0 ? true : undefined;
  });
  expect(await versions(100)).toEqual({ v1: 100 });
});
