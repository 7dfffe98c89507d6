// `ferry route` on a real Consul agent, after `ferry apply`: keys with `:` and `/` survive Meta and Config, arrive in
// the chain, and what is explained is what a sidecar reads there. And Consul's limits of a Meta are where `ferry check`
// says.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ferry, root } from "../e2e/testing/ferry.ts";
import { type ConsulAgent, startConsul, wipe } from "../sidecar/discovery/consul/testing/consul-agent.ts";
import { parseConfigEntry } from "../sidecar/routing/mesh-config/parse-config-entry.ts";

const query = "quoter.query.v1.QuoteQueryService";
const getQuote = `${query}/GetQuote`;

let agent: ConsulAgent;
let folder: string;
beforeAll(async () => {
  agent = await startConsul();
});
afterAll(() => agent?.remove());
beforeEach(async () => {
  await wipe(agent);
  folder = mkdtempSync(join(tmpdir(), "ferry-route-"));
  cpSync(join(root, "mesh-config"), folder, { recursive: true });
  return () => rmSync(folder, { recursive: true });
});

function run(...words: string[]) {
  const { host, port } = agent.address;
  const env = { CONSUL_HTTP_ADDR: `${host}:${port}`, FERRY_REGISTRY: "consul" };
  return ferry([...words, "--json"], { home: join(folder, "home"), env });
}

function set(file: string, fields: object): void {
  const path = join(folder, file);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...fields }));
}

const keys = {
  ferry_retries: "1",
  [`ferry_retries:${getQuote}`]: "4",
  [`ferry_idempotent:${query}/*`]: "yes",
  owner: "team quotes",
};

describe("keys of single methods on Consul", () => {
  test("survive apply and arrive in the chain's ServiceMeta and in proxy-defaults' Config", async () => {
    set("service-defaults/quote-query.json", { Meta: keys });
    const config = { protocol: "grpc", [`ferry_request_timeout:${query}/*`]: "3s", ferry_eject_base: "2s" };
    set("proxy-defaults/global.json", { Config: config });
    expect(await run("apply", folder)).toMatchObject({ code: 0, json: { ok: true } });
    const chain = await agent.client.ask({ path: "discovery-chain/quote-query" });
    expect(JSON.parse(chain.text).Chain.ServiceMeta).toEqual(keys);
    const defaults = await agent.client.ask({ path: "config/proxy-defaults/global" });
    expect(JSON.parse(defaults.text).Config).toEqual(config);
    // Nothing to change: what Consul gives back is what was written.
    expect((await run("diff", folder)).json).toMatchObject({ ok: true, changes: [] });
  });

  test("are explained with where they stand, at the entry point and at the service itself", async () => {
    set("service-defaults/quote-query.json", { Meta: keys });
    set("service-defaults/quoter.json", { Meta: { ferry_retries: "7", ferry_eject_max: "5m" } });
    set("proxy-defaults/global.json", { Config: { protocol: "grpc", ferry_eject_base: "2s" } });
    expect((await run("apply", folder)).code).toBe(0);
    const own = `service-defaults quote-query Meta ferry_retries:${getQuote}`;
    const idempotent = `service-defaults quote-query Meta ferry_idempotent:${query}/*`;
    const common = [
      { key: "ferry_retries", value: "4", origin: own },
      { key: "ferry_idempotent", value: "yes", origin: idempotent },
      { key: "ferry_eject_base", value: "2s", origin: "proxy-defaults global Config ferry_eject_base" },
      { key: "ConnectTimeout", value: "1s", origin: "service-resolver quote-query ConnectTimeout" },
    ];
    const atGateway = await run("route", "--explain", getQuote);
    expect(atGateway, atGateway.stderr).toMatchObject({ code: 0, json: { registry: atGateway.json?.config } });
    expect(
      atGateway.json?.legs.map(({ percent, subset }: { percent: number; subset: string }) => [percent, subset]),
    ).toEqual([
      [90, "v1"],
      [10, "v2"],
    ]);
    const entry = { key: "ferry_eject_max", value: "5m", origin: "service-defaults quoter Meta ferry_eject_max" };
    expect(atGateway.json?.legs[0].settings).toEqual(expect.arrayContaining([...common, entry]));
    const inside = await run("route", "--explain", getQuote, "--upstream", "quote-query");
    expect(inside.json?.legs[0].settings).toEqual(expect.arrayContaining(common));
    expect(inside.json?.legs[0].isIdempotent).toBe(true);
  });

  test("a key that somebody wrote past the check is told, and is without effect", async () => {
    expect((await run("apply", folder)).code).toBe(0);
    const Meta = { ferry_retries: "many", [`ferry_retrys:${getQuote}`]: "4" };
    await agent.write({ Kind: "service-defaults", Name: "quote-query", Protocol: "grpc", Meta });
    const done = await run("route", "--explain", getQuote);
    expect(done.code).toBe(0);
    expect(done.stderr).toContain(
      "without effect: service-defaults/quote-query.json: Meta.ferry_retries: expected an integer",
    );
    expect(done.stderr).toContain(`did you mean ferry_retries:${getQuote}?`);
    expect(done.json?.legs[0].settings).toContainEqual({ key: "ferry_retries", value: "2", origin: "default" });
  });

  test("a Consul that does not answer is one sentence", async () => {
    const env = { CONSUL_HTTP_ADDR: "127.0.0.1:1", FERRY_REGISTRY: "consul" };
    const done = await ferry(["route", getQuote], { home: join(folder, "home"), env });
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(/^ferry: no answer about .* within 5000 ms: .*127\.0\.0\.1:1.*\n$/);
  });
});

describe("Consul's limits of a Meta are those that the check knows", () => {
  const full = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`k${n}`, "v"]));
  const cases = {
    "64 keys": full,
    "65 keys": { ...full, k64: "v" },
    "a key of 128 bytes": { ["é".repeat(64)]: "v" },
    "a key of 129 bytes": { [`${"é".repeat(64)}x`]: "v" },
    "a value of 512 bytes": { owner: "é".repeat(256) },
    "a value of 513 bytes": { owner: `${"é".repeat(256)}x` },
  };
  test.each(Object.entries(cases))("%s", async (_, Meta) => {
    const entry = { Kind: "service-defaults", Name: "a", Protocol: "grpc", Meta };
    const { status, text } = await agent.client.ask({ method: "PUT", path: "config", body: entry });
    const parsed = parseConfigEntry(JSON.stringify(entry), "service-defaults/a.json");
    expect(parsed.ok, text).toBe(status === 200);
  });
});
