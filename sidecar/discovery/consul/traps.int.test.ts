// What a real agent does that a client would not expect, one test each. T1 to T9 are the names that comments use.

import { request } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../../common/clock.ts";
import { compileFilter, type Filter } from "../../routing/bexpr.ts";
import type { ChainView } from "../../routing/chain-source.ts";
import { checkedChains } from "../../routing/checked-chains.ts";
import { compileSnapshot, servicePolicy } from "../../routing/compile-snapshot.ts";
import { compileRouteTable } from "../../routing/route-table.ts";
import { registrationOf } from "../registry.suite.ts";
import type { Endpoint, Registry } from "../registry.ts";
import { awaitConsul } from "./await-consul.ts";
import { ConsulChains } from "./consul-chains.ts";
import { ConsulClient } from "./consul-client.ts";
import { type ConsulAgent, startConsul, wipe } from "./testing/consul-agent.ts";
import { openRegistry } from "./testing/open-registry.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function open(agent: ConsulAgent, token?: string, maxBlocked?: number) {
  const opened = openRegistry(agent, token, maxBlocked);
  closers.push(() => opened.registry.close());
  return opened;
}

function watch(registry: Registry, service: string) {
  const stop = new AbortController();
  closers.push(() => stop.abort());
  const seen: { sets: (readonly Endpoint[])[]; readonly last: readonly Endpoint[] | undefined } = {
    sets: [],
    get last() {
      return this.sets.at(-1);
    },
  };
  registry.watchService(service, (set) => seen.sets.push(set), stop.signal);
  return seen;
}

function watchChain(agent: ConsulAgent, service: string) {
  const stop = new AbortController();
  closers.push(() => stop.abort());
  const { watches } = open(agent);
  const notices: string[] = [];
  const chains = new ConsulChains({ watches, signal: stop.signal, onNotice: (sentence) => notices.push(sentence) });
  const views: ChainView[] = [];
  const told: string[] = [];
  const checked = checkedChains(chains, (sentence) => told.push(sentence));
  checked.watchChain(service, (view) => views.push(view), stop.signal);
  return { views, notices, told };
}

async function register(agent: ConsulAgent, service: string, id: string, token?: string) {
  const { registry } = open(agent, token);
  const handle = await registry.register(registrationOf(service, id));
  await handle.setHealth("passing", "");
  return handle;
}

const passing = (set: readonly Endpoint[] | undefined) => set?.filter(({ health }) => health === "passing").length;
const soon = { timeout: 8_000, interval: 20 };
const grpc = { Kind: "service-defaults", Protocol: "grpc" };
const subsets = {
  v1: { Filter: "Service.Meta.version == v1" },
  v2: { Filter: "Service.Meta.version == v2" },
};

describe("on a dev agent", () => {
  let agent: ConsulAgent;
  beforeAll(async () => {
    agent = await startConsul();
  });
  afterAll(() => agent?.remove());
  beforeEach(() => wipe(agent));

  test("a chain, a new weight of it and our own settings arrive within a second", async () => {
    await agent.write({ ...grpc, Name: "web", Meta: { ferry_retries: "1" } });
    await agent.write({ Kind: "service-resolver", Name: "web", Subsets: subsets });
    const weights = (v1: number) => [
      { Weight: v1, ServiceSubset: "v1" },
      { Weight: 100 - v1, ServiceSubset: "v2" },
    ];
    await agent.write({ Kind: "service-splitter", Name: "web", Splits: weights(90) });
    const { views } = watchChain(agent, "web");
    await vi.waitFor(() => expect(views).toHaveLength(1), soon);
    expect(views[0]?.chain.ServiceMeta).toEqual({ ferry_retries: "1" });
    // The default is 2.
    expect(servicePolicy(views[0]!, "web").all.retry.retries).toBe(1);
    const beganMs = performance.now();
    await agent.write({ Kind: "service-splitter", Name: "web", Splits: weights(50) });
    await vi.waitFor(() => expect(JSON.stringify(views.at(-1)?.chain.Nodes)).toContain('"Weight":50'), soon);
    expect(performance.now() - beganMs).toBeLessThan(1_000);
    await agent.write({ Kind: "proxy-defaults", Name: "global", Config: { ferry_retries: 3 } });
    await vi.waitFor(() => expect(views.at(-1)?.globalConfig).toEqual({ ferry_retries: 3 }), soon);
  });

  test("T2: a streaming reply says that there is no leader, and the set counts all the same", async () => {
    await register(agent, "web", "web-1");
    const seen = watch(open(agent).registry, "web");
    await vi.waitFor(() => expect(passing(seen.last)).toBe(1), soon);
    const { host, port } = agent.address;
    const streamed = await fetch(`http://${host}:${port}/v1/health/connect/web?index=1`);
    expect(streamed.headers.get("x-consul-query-backend")).toBe("streaming");
    expect(streamed.headers.get("x-consul-knownleader")).toBe("false");
    await register(agent, "web", "web-2");
    await vi.waitFor(() => expect(passing(seen.last)).toBe(2), soon);
  });

  test("T6: one thing is one connection however many watch it, and behind the cap watches poll", async () => {
    const { registry, watches } = open(agent, undefined, 2);
    const seen = [watch(registry, "a"), watch(registry, "a"), watch(registry, "b"), watch(registry, "c")];
    await vi.waitFor(() => expect(seen.every(({ last }) => last?.length === 0)).toBe(true), soon);
    expect(watches.count).toBe(3);
    await register(agent, "c", "c-1");
    await vi.waitFor(() => expect(passing(seen[3]?.last)).toBe(1), soon);
    expect(registry.status().detail).toMatch(/3 watches, [23] connections/);
  });

  test("T6: 429 at the agent's limit of connections keeps the last set and is tried again later", async () => {
    await register(agent, "web", "web-1");
    const seen = watch(open(agent).registry, "web");
    await vi.waitFor(() => expect(passing(seen.last)).toBe(1), soon);
    const { host, port } = agent.address;
    const held = Array.from({ length: 200 }, () => {
      const blocked = request({ host, port, path: "/v1/health/service/nobody?index=1000000&wait=60s", agent: false });
      blocked.on("error", () => {});
      blocked.end();
      return blocked;
    });
    const release = () => {
      for (const blocked of held.splice(0)) blocked.destroy();
    };
    closers.push(release);
    const isFull = async () => {
      const another = new ConsulClient({ address: agent.address, token: undefined }, systemClock);
      const { status } = await another.ask({ path: "status/leader" }).finally(() => another.close());
      expect(status).toBe(429);
    };
    await vi.waitFor(isFull, soon);
    const late = open(agent);
    const lateSeen = watch(late.registry, "web");
    await vi.waitFor(() => expect(late.problems.join()).toContain("429"), soon);
    expect(passing(seen.last)).toBe(1);
    release();
    await vi.waitFor(() => expect(passing(lateSeen.last)).toBe(1), { timeout: 12_000 });
  });

  test("T8: a regex and a filter that nobody can evaluate cost their route and subset only", async () => {
    await register(agent, "web", "web-1");
    await agent.write({ ...grpc, Name: "web" });
    const bad = { Filter: "Bogus.Sel == 1" };
    await agent.write({ Kind: "service-resolver", Name: "web", Subsets: { ...subsets, bad } });
    const to = (ServiceSubset: string, HTTP: object) => ({ Match: { HTTP }, Destination: { ServiceSubset } });
    const Routes = [
      to("v1", { PathRegex: "(?=x)" }),
      to("bad", { PathPrefix: "/bad/" }),
      to("v1", { PathPrefix: "/ok/" }),
    ];
    await agent.write({ Kind: "service-router", Name: "web", Routes });
    const { views, told } = watchChain(agent, "web");
    const seen = watch(open(agent).registry, "web");
    await vi.waitFor(() => expect(passing(seen.last)).toBe(1), soon);
    await vi.waitFor(() => expect(views).toHaveLength(1), soon);
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(/service-router\/web\.json: Routes: .*"\(\?=x\)"/);
    expect(told[1]).toMatch(/service-resolver\/web\.json: Subsets\.bad\.Filter: .*the subset has no instances/);
    const { chain } = views[0]!;
    const instances = new Map([["web", seen.last!]]);
    const snapshot = compileSnapshot({ upstream: "web", revision: 1, chain, instances, methods: {} });
    const table = compileRouteTable(snapshot);
    expect(table.problems).toHaveLength(1);
    expect(table.rules.map(({ matchesPath }) => matchesPath("/ok/A"))).toEqual([false, false, true, true]);
    const counts = Object.entries(snapshot.endpoints).map(([id, list]) => [id.split(".")[0], list.length]);
    expect(Object.fromEntries(counts)).toMatchObject({ v1: 1, bad: 0 });
  });

  test("a subset takes the instances that Consul's own query takes with its filter", async () => {
    const ids = ["web-1", "web-2"];
    for (const [at, id] of ids.entries()) {
      const body = {
        ...{ ID: `${id}-proxy`, Name: "web-proxy", Kind: "connect-proxy", Port: 7000 + at },
        Proxy: { DestinationServiceName: "web", DestinationServiceID: id },
        Tags: at === 0 ? ["canary"] : [],
      };
      await agent.client.expectOk({ method: "PUT", path: "agent/service/register", body });
    }
    const seen = watch(open(agent).registry, "web");
    await vi.waitFor(() => expect(passing(seen.last)).toBe(2), soon);
    const filters = ['"canary" in Service.Tags', "Service.Tags is empty", "Node.Node == n1", "Node.Datacenter != dc1"];
    const taken: number[] = [];
    for (const filter of filters) {
      const asked = await agent.client.json({ path: "health/connect/web", query: { filter } });
      const { test } = compileFilter(filter) as Extract<Filter, { ok: true }>;
      const ours = seen.last!.filter(test).map(({ port }) => port);
      const theirs = (asked as { Service: { Port: number } }[]).map(({ Service }) => Service.Port).sort();
      expect(ours, filter).toEqual(theirs);
      taken.push(ours.length);
    }
    expect(taken).toEqual([1, 1, 2, 0]);
  });

  test("T9: a leg of weight 0 comes without a weight and gets nothing", async () => {
    await agent.write({ ...grpc, Name: "web" });
    await agent.write({ Kind: "service-resolver", Name: "web", Subsets: subsets });
    const Splits = [{ Weight: 100, ServiceSubset: "v1" }, { ServiceSubset: "v2" }];
    await agent.write({ Kind: "service-splitter", Name: "web", Splits });
    const { views, notices } = watchChain(agent, "web");
    await vi.waitFor(() => expect(views).toHaveLength(1), soon);
    const { chain } = views[0]!;
    const node = Object.values(chain.Nodes).find(({ Type }) => Type === "splitter");
    expect(JSON.stringify(node)).toMatch(/"NextNode":"resolver:v2/);
    expect(node?.Type === "splitter" && node.Splits[1] && "Weight" in node.Splits[1]).toBe(false);
    const instances = new Map([["web", []]]);
    const table = compileRouteTable(compileSnapshot({ upstream: "web", revision: 1, chain, instances, methods: {} }));
    expect(table.rules[0]?.legs.map(({ weight }) => weight)).toEqual([10_000, 0]);
    expect(notices).toEqual([]);
  });

  test("a Consul that is missing is one sentence with what to do", async () => {
    const nobody = new ConsulClient({ address: { host: "127.0.0.1", port: 1 }, token: undefined }, systemClock);
    closers.push(() => nobody.close());
    const said = awaitConsul({ client: nobody, clock: systemClock, waitMs: 0, onProgress: () => {} });
    await expect(said).rejects.toThrow(/consul at 127\.0\.0\.1:1: .*connection refused; start Consul, or set/);
    const found = awaitConsul({ client: agent.client, clock: systemClock, waitMs: 0, onProgress: () => {} });
    expect(await found).toMatch(/^1\.\d+/);
  });
});

test("T1: an agent that lost its state is heard at once, although its indexes are lower", async () => {
  const agent = await startConsul();
  closers.push(() => agent.remove());
  for (let i = 0; i < 30; i++) await agent.write({ ...grpc, Name: `filler-${i}` });
  await register(agent, "web", "web-1");
  const { registry, problems } = open(agent);
  const seen = watch(registry, "web");
  await vi.waitFor(() => expect(passing(seen.last)).toBe(1), soon);
  const before = seen.sets.length - 1;
  await agent.kill();
  await vi.waitFor(() => expect(registry.status().ok).toBe(false), soon);
  expect(registry.status().detail).toMatch(/for \d+ s; the last good state stays in force/);
  await agent.restart();
  const beganMs = performance.now();
  // Its own sidecar registers it again, and nobody saw an empty set meanwhile.
  await register(agent, "web", "web-2");
  await vi.waitFor(() => expect(passing(seen.last)).toBe(2), { timeout: 12_000, interval: 20 });
  expect(performance.now() - beganMs).toBeLessThan(12_000);
  expect(seen.sets.slice(before).every((set) => (passing(set) ?? 0) > 0)).toBe(true);
  expect(registry.status().ok).toBe(true);
  expect(problems.at(-1)).toContain("answers again after");
});

test("T3: an error that carries an index is an error, and the last state stays", async () => {
  const server = await startConsul();
  closers.push(() => server.remove());
  const agent = await startConsul({ joins: server });
  closers.push(() => agent.remove());
  await server.write({ ...grpc, Name: "web" });
  await register(agent, "web", "web-1");
  const { views } = watchChain(agent, "web");
  const { registry } = open(agent);
  const seen = watch(registry, "web");
  await vi.waitFor(() => expect(passing(seen.last)).toBe(1), soon);
  await vi.waitFor(() => expect(views).toHaveLength(1), soon);
  await server.kill();
  const reply = await agent.client.ask({ path: "discovery-chain/web" });
  expect(reply).toMatchObject({ status: 500, index: "1" });
  await vi.waitFor(() => expect(registry.status().ok).toBe(false), soon);
  expect(views).toHaveLength(1);
  expect(passing(seen.last)).toBe(1);
});

test("T4: an empty list from a token that may not look is no empty service", async () => {
  const agent = await startConsul({ hasAcl: true });
  closers.push(() => agent.remove());
  await register(agent, "web", "web-1");
  const may = { Rules: 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }', Name: "may" };
  await agent.client.expectOk({ method: "PUT", path: "acl/policy", body: may });
  const granted = await agent.client.json({ method: "PUT", path: "acl/token", body: { Policies: [{ Name: "may" }] } });
  const { SecretID, AccessorID } = granted as { SecretID: string; AccessorID: string };
  const { registry, problems } = open(agent, SecretID);
  const seen = watch(registry, "web");
  await vi.waitFor(() => expect(passing(seen.last)).toBe(1), soon);
  await agent.client.expectOk({ method: "DELETE", path: `acl/token/${AccessorID}` });
  await vi.waitFor(() => expect(problems.join()).toContain("403"), { timeout: 15_000 });
  expect(passing(seen.last)).toBe(1);
  const none = await agent.client.json({ method: "PUT", path: "acl/token", body: { Policies: [] } });
  const useless = (none as { SecretID: string }).SecretID;
  const blind = await agent.connect(useless).ask({ path: "health/connect/web", query: { index: "1", wait: "1s" } });
  expect(blind).toMatchObject({ status: 200, text: "[]", isFiltered: false });
  const late = open(agent, useless);
  const lateSeen = watch(late.registry, "web");
  await vi.waitFor(() => expect(late.problems.join()).toContain("403 Permission denied"), soon);
  expect(lateSeen.sets).toEqual([]);
});

test("a token that Consul does not know, or none where one is needed, is one sentence at the start", async () => {
  const agent = await startConsul({ hasAcl: true });
  closers.push(() => agent.remove());
  const wait = (client: ConsulClient) => awaitConsul({ client, clock: systemClock, waitMs: 0, onProgress: () => {} });
  expect(await wait(agent.client)).toMatch(/^1\.\d+/);
  const unknown = agent.connect("deadbeef-0000-0000-0000-000000000000");
  await expect(wait(unknown)).rejects.toThrow(/refuses us: ACL not found; set CONSUL_HTTP_TOKEN or/);
  const nobody = new ConsulClient({ address: agent.address, token: undefined }, systemClock);
  closers.push(() => nobody.close());
  await expect(wait(nobody)).rejects.toThrow(/refuses us: it shows nothing to those without a token; set/);
});

test("a server killed and started again on its data: the last set stays, changes arrive afterwards", async () => {
  const agent = await startConsul({ isDurable: true });
  closers.push(() => agent.remove());
  const handle = await register(agent, "web", "web-1");
  await register(agent, "web", "web-2");
  const seen = watch(open(agent).registry, "web");
  await vi.waitFor(() => expect(passing(seen.last)).toBe(2), soon);
  const before = seen.sets.length;
  await agent.restart();
  // The agent adds none of its own, which would dial the sidecar from where the agent is.
  const entries = (await agent.client.json({ path: "health/connect/web" })) as { Checks: { Name: string }[] }[];
  const names = entries.map(({ Checks }) => Checks.map(({ Name }) => Name).filter((name) => name.startsWith("alias")));
  expect(names).toEqual([["alias of web-1"], ["alias of web-2"]]);
  expect(entries.map(({ Checks }) => Checks.length)).toEqual([2, 2]);
  await handle.setHealth("critical", "stopped");
  const stopped = () => seen.last?.find(({ id }) => id === "web-1")?.health;
  await vi.waitFor(() => expect(stopped()).toBe("critical"), { timeout: 20_000, interval: 50 });
  // Nothing but that was seen meanwhile, which took longer than anybody who would empty the set needs.
  expect(seen.sets.slice(before - 1, -1).every((set) => passing(set) === 2)).toBe(true);
  expect(passing(seen.last)).toBe(1);
}, 60_000);
