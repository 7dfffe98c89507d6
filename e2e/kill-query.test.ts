// Instances that are killed under a steady load: the caller sees no failed call, and the instance comes back.

import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { type Finished, ferry } from "./testing/ferry.ts";
import { queryV1 } from "./testing/quoter-services.ts";
import { startStack, type TestStack } from "./testing/stack.ts";

let stack: TestStack;
let quoteId: string;

beforeAll(async () => {
  stack = await startStack();
  quoteId = await stack.submit("Panta rhei.", "Heraclitus");
});
afterAll(() => stack?.dispose());

const rps = 200;
const seconds = 6;

/** A steady load of GetQuote; `disturb` runs when a third of it is over. */
async function underLoad(disturb: () => Promise<void>): Promise<Finished> {
  const load = ferry(
    [
      "bench",
      "call",
      `${queryV1}/GetQuote`,
      JSON.stringify({ quoteId }),
      "--rps",
      `${rps}`,
      "--seconds",
      `${seconds}`,
      "--json",
    ],
    { home: stack.home.path },
  );
  await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / 3));
  await disturb();
  return load;
}

test.each([
  ["a quote-query application", "quote-query-v1-1", "pid"],
  ["a quote-query's sidecar", "quote-query-v1-2", "sidecarPid"],
] as const)("kill -9 of %s under a steady load of GetQuote fails no call", async (_what, instance, which) => {
  const victim = await stack.pidOf(instance, which);
  const load = await underLoad(async () => void process.kill(victim, "SIGKILL"));
  expect(load.json, load.stderr).toMatchObject({ ok: true, calls: rps * seconds, failed: 0, failures: {} });
  // It was in use, so that its death was felt.
  expect(load.json?.servedBy[`${instance} v1`]).toBeGreaterThan(0);
  await eventually(`${instance} is back`, 30_000, async () => {
    const { code, json } = await stack.status();
    if (code !== 0) throw new Error(JSON.stringify(json?.troubles));
    return (await stack.pidOf(instance, which)) === victim ? undefined : true;
  });
});
