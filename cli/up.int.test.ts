// `ferry up` on a real Consul agent, as processes: the first start on an empty one works in full, and nothing is left.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ferry } from "../e2e/testing/ferry.ts";
import { makeHome } from "../e2e/testing/home.ts";
import { startStack, type TestStack } from "../e2e/testing/stack.ts";
import { type ConsulAgent, startConsul } from "../sidecar/discovery/consul/testing/consul-agent.ts";

const queryV1 = "quoter.query.v1.QuoteQueryService";
const queryV2 = "quoter.query.v2.QuoteQueryService";

let agent: ConsulAgent;
let env: Readonly<Record<string, string>>;
beforeAll(async () => {
  agent = await startConsul();
  const { host, port } = agent.address;
  env = { FERRY_REGISTRY: "consul", CONSUL_HTTP_ADDR: `${host}:${port}` };
});
afterAll(() => agent?.remove());

async function versionsOf(stack: TestStack, count: number): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { code, headers } = await stack.call(`${queryV1}/GetRandomQuote`, {});
    expect(code).toBe("OK");
    seen[headers["x-quoter-version"]] = (seen[headers["x-quoter-version"]] ?? 0) + 1;
  }
  return seen;
}

async function read(path: string): Promise<Record<string, unknown>> {
  return (await agent.client.json({ path })) as Record<string, unknown>;
}

test("writes what an empty Consul lacks, splits, shows its state, and leaves nothing registered", async () => {
  const stack = await startStack(env);
  try {
    const { backends } = await stack.up.event("backends", 1_000);
    expect(backends[0]).toMatchObject({ part: "registry", kind: "consul", at: env.CONSUL_HTTP_ADDR });
    expect(backends[0].version).toMatch(/^1\.\d+/);
    const config = await stack.up.event("config", 1_000);
    expect(config).toMatchObject({ unchanged: 0, differing: [], problems: [] });
    expect(config.written).toContain("service-router/quoter.json");
    await stack.submit("On Consul too.", "A ferryman");
    expect(await stack.call(`${queryV2}/ListQuotes`, { page_size: 5 })).toMatchObject({ code: "OK" });
    expect((await versionsOf(stack, 20)).v1).toBeGreaterThan(9);
    const splits = [
      { Weight: 0, ServiceSubset: "v1" },
      { Weight: 100, ServiceSubset: "v2" },
    ];
    await agent.write({ Kind: "service-splitter", Name: "quote-query", Splits: splits });
    await vi.waitFor(async () => expect(await versionsOf(stack, 3)).toEqual({ v2: 3 }), 10_000);
    // Without FERRY_REGISTRY: the running stack says where its registry is.
    const { code, json } = await stack.status();
    expect(json).toMatchObject({ ok: true, config: { hash: "consul" }, gateway: { health: "SERVING" }, troubles: [] });
    expect(json?.registry).toEqual({ name: `consul at ${env.CONSUL_HTTP_ADDR}`, trouble: "" });
    expect(json?.services.map(({ instances }: { instances: unknown[] }) => instances.length)).toEqual([2, 3]);
    expect(json?.readModels).toHaveLength(2);
    expect(code).toBe(0);
    await stack.stop();
    expect(Object.keys(await read("agent/services"))).toEqual([]);
    expect(Object.keys(await read("agent/checks"))).toEqual([]);
  } finally {
    await stack.dispose();
  }
}, 180_000);

test("leaves an entry that differs alone and names it; a second stack on the same agent is refused", async () => {
  const stack = await startStack(env);
  try {
    const config = await stack.up.event("config", 1_000);
    expect(config).toMatchObject({ written: [], differing: ["service-splitter/quote-query.json"] });
    expect(stack.up.stderr).toContain("run `ferry diff`, then `ferry apply`");
    await stack.call("quoter.command.v1.QuoteCommandService/SubmitQuote", { text: "Again.", author: "A ferryman" });
    await vi.waitFor(async () => expect(await versionsOf(stack, 3)).toEqual({ v2: 3 }), 10_000);
    const home = makeHome();
    const second = await ferry(["up", "--gateway", "127.0.0.1:0"], { home: home.path, env });
    home.remove();
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining("another stack is registered in consul") });
  } finally {
    await stack.dispose();
  }
}, 180_000);
