// Instances that are killed under a steady load: the caller sees no failed call, and the instance comes back.

import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { ferry } from "./testing/ferry.ts";
import { startQueryLoad } from "./testing/query-load.ts";
import { queryV1 } from "./testing/quoter-services.ts";
import { startStack, type TestStack } from "./testing/stack.ts";

let stack: TestStack;
let quoteId: string;

beforeAll(async () => {
  stack = await startStack();
  quoteId = await stack.submit("Panta rhei.", "Heraclitus");
});
afterAll(() => stack?.dispose());

const perSecond = 200;

test.each([
  ["a quote-query application", "quote-query-v1-1", "pid"],
  ["a quote-query's sidecar", "quote-query-v1-2", "sidecarPid"],
] as const)("kill -9 of %s under a steady load of GetQuote fails no call", async (_what, instance, which) => {
  const victim = await stack.pidOf(instance, which);
  const load = startQueryLoad(stack.gateway, quoteId, perSecond);
  await load.untilCalls(2 * perSecond);
  // It was in use, so that its death is felt.
  expect(load.calls.filter((call) => call.instance === instance).length).toBeGreaterThan(0);
  process.kill(victim, "SIGKILL");
  await load.untilCalls(4 * perSecond);
  await eventually(`${instance} is back`, 30_000, async () => {
    const { code, json } = await stack.status();
    if (code !== 0) throw new Error(JSON.stringify(json?.troubles));
    return (await stack.pidOf(instance, which)) === victim ? undefined : true;
  });
  await load.untilCalls(perSecond);
  expect(await load.end()).toEqual([]);
  expect(load.calls.length).toBeGreaterThanOrEqual(7 * perSecond);
});

test("ferry bench makes the calls that were asked for and says who answered", async () => {
  const args = ["bench", "call", `${queryV1}/GetQuote`, JSON.stringify({ quoteId }), "--rps", "100", "--seconds", "1"];
  const { json, stderr } = await ferry([...args, "--json"], { home: stack.home.path });
  expect(json, stderr).toMatchObject({ ok: true, calls: 100, failed: 0, failures: {} });
  const served = Object.values(json?.servedBy as Record<string, number>).reduce((sum, count) => sum + count, 0);
  expect(served).toBe(100);
});
