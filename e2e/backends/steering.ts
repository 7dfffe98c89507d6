// An operator steers by Consul's own program, under a steady load of queries: takes an instance out for maintenance and
// back, and moves a split. No query may fail. (What a deregistration does: cli/operator.int.test.ts.)

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QuoteCommandService } from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { eventually } from "../testing/eventually.ts";
import { root } from "../testing/ferry.ts";
import { GrpcClient } from "../testing/grpc-client.ts";
import { type LoadCall, type QueryLoad, startQueryLoad } from "../testing/query-load.ts";
import type { Servers } from "./real-servers.ts";

export interface Steering {
  readonly queries: number;
  readonly queriesFailed: number;
  /** From the command until the last call that went to the instance, or the version, that it took traffic from. */
  readonly maintenanceMs: number;
  readonly splitMs: number;
}

const perSecond = 100;
const instance = "quote-query-v1-1";
const maintenanceWithinMs = 2000;
const splitWithinMs = 1000;

export async function playSteering(
  { consul }: Servers,
  gateway: string,
): Promise<{ steering: Steering; problems: readonly string[] }> {
  const load = startQueryLoad(gateway, await submitQuote(gateway), perSecond);
  const problems: string[] = [];
  const isIts = (call: LoadCall) => call.instance === instance;
  await untilSeen(load, isIts);
  const maintenanceMs = await lastAfter(load, isIts, () =>
    consul.run("maint", "-enable", `-service=${instance}`, "-reason=steering"),
  );
  if (maintenanceMs > maintenanceWithinMs) problems.push(`maintenance took ${maintenanceMs} ms to move traffic`);
  await consul.run("maint", "-disable", `-service=${instance}`);
  await untilSeen(load, isIts);
  const splitMs = await lastAfter(
    load,
    ({ version }) => version === "v1",
    () => writeSplit(consul, 0, 100),
  );
  if (splitMs > splitWithinMs) problems.push(`a split took ${splitMs} ms to move traffic`);
  await writeSplit(consul, 90, 10);
  await untilSeen(load, isIts);
  const failures = await load.end();
  if (failures.length > 0) problems.push(`${failures.length} queries failed, the first with ${failures[0]}`);
  const { length: queries } = load.calls;
  return { steering: { queries, queriesFailed: failures.length, maintenanceMs, splitMs }, problems };
}

/** A quote that both read models have; its id. */
async function submitQuote(gateway: string): Promise<string> {
  const client = new GrpcClient(gateway);
  try {
    const request = { commandId: "steering", text: "Left a bit.", author: "A helmsman" };
    const { reply } = await client.unary(QuoteCommandService.method.submitQuote, request, { timeoutMs: 5000 });
    const query = { quoteId: reply?.quoteId ?? "", minPosition: reply?.position ?? "" };
    const seen = new Set<string>();
    await eventually("both read models have a quote", 20_000, async () => {
      const { code, headers } = await client.unary(QuoteQueryService.method.getQuote, query, { timeoutMs: 5000 });
      if (code === "OK") seen.add(String(headers.get("x-quoter-version")[0]));
      return seen.size === 2 ? true : undefined;
    });
    return query.quoteId;
  } finally {
    client.close();
  }
}

/** Until a call that began from now on is such a one. */
async function untilSeen(load: QueryLoad, isSuch: (call: LoadCall) => boolean): Promise<void> {
  const sinceMs = performance.now();
  for (let rounds = 0; rounds < 40; rounds++) {
    await load.untilCalls(perSecond / 4);
    if (load.calls.some((call) => call.beganMs > sinceMs && isSuch(call))) return;
  }
  throw new Error(`${instance} gets no calls although it should`);
}

/** Does it, lets three more seconds' calls pass, and says how late the last such call began. */
async function lastAfter(load: QueryLoad, isSuch: (call: LoadCall) => boolean, act: () => Promise<void>) {
  const actedMs = performance.now();
  await act();
  await load.untilCalls(3 * perSecond);
  const last = load.calls.findLast(isSuch);
  return Math.max(0, Math.round((last?.beganMs ?? actedMs) - actedMs));
}

async function writeSplit(consul: Servers["consul"], v1: number, v2: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ferry-split-"));
  try {
    const entry = JSON.parse(readFileSync(`${root}/mesh-config/service-splitter/quote-query.json`, "utf8"));
    for (const leg of entry.Splits) leg.Weight = leg.ServiceSubset === "v1" ? v1 : v2;
    const file = join(folder, "quote-query.json");
    writeFileSync(file, JSON.stringify(entry));
    await consul.run("config", "write", file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
