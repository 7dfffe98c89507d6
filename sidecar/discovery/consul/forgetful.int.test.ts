// An agent that loses its state (a dev agent that is killed), and what looks like one: who comes back, when, and what
// stays in force meanwhile.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChainView } from "../../routing/chain-source.ts";
import { registrationOf } from "../registry.suite.ts";
import type { Endpoint } from "../registry.ts";
import { ConsulChains } from "./consul-chains.ts";
import { type ConsulAgent, startConsul } from "./testing/consul-agent.ts";
import { type OpenRegistry, openRegistry } from "./testing/open-registry.ts";

let agent: ConsulAgent;
const stop = { signal: new AbortController() };
const opened: OpenRegistry[] = [];
beforeEach(async () => {
  agent = await startConsul();
  stop.signal = new AbortController();
});
afterEach(async () => {
  stop.signal.abort();
  for (const { registry } of opened.splice(0)) await registry.close();
  await agent.remove();
});

function open(): OpenRegistry {
  const one = openRegistry(agent);
  opened.push(one);
  return one;
}

function watch(service: string): (readonly Endpoint[])[] {
  const sets: (readonly Endpoint[])[] = [];
  open().registry.watchService(service, (set) => sets.push(set), stop.signal.signal);
  return sets;
}

const passing = (set: readonly Endpoint[] | undefined) => set?.filter(({ health }) => health === "passing").length;
const soon = { timeout: 10_000, interval: 20 };

test("an instance that the agent forgot is registered again at once", async () => {
  const { registry, problems } = open();
  const handle = await registry.register(registrationOf("web", "web-1"));
  await handle.setHealth("passing", "");
  const sets = watch("web");
  await vi.waitFor(() => expect(passing(sets.at(-1))).toBe(1), soon);
  const before = sets.length - 1;
  await agent.restart();
  const beganMs = performance.now();
  await vi.waitFor(
    () => expect(problems.join()).toContain("did not know web-1 any more; it is registered again"),
    soon,
  );
  expect(performance.now() - beganMs).toBeLessThan(8_000);
  await vi.waitFor(async () => {
    const { status } = await agent.client.ask({ path: "agent/health/service/id/web-1-sidecar-proxy" });
    expect(status).toBe(200);
  }, soon);
  expect(sets.slice(before).every((set) => passing(set) === 1)).toBe(true);
});

test.each(["web-1", "web-1-sidecar-proxy"])("an instance of which somebody deregistered %s stays away", async (id) => {
  const { registry, problems } = open();
  const handle = await registry.register(registrationOf("web", "web-1"));
  await handle.setHealth("passing", "");
  const sets = watch("web");
  await vi.waitFor(() => expect(passing(sets.at(-1))).toBe(1), soon);
  await agent.client.expectOk({ method: "PUT", path: `agent/service/deregister/${id}` });
  await vi.waitFor(() => expect(passing(sets.at(-1))).toBe(0), soon);
  await vi.waitFor(() => expect(problems.join()).toMatch(/somebody deregistered web-1 at .*comes back in 30 s/), soon);
  await handle.setHealth("critical", "stopped");
  await handle.setHealth("passing", "");
  for (const own of ["web-1", "web-1-sidecar-proxy"]) {
    expect((await agent.client.ask({ path: `agent/service/${own}` })).status).toBe(404);
  }
});

test("an instance that ends leaves its successor of the same id alone", async () => {
  const old = await open().registry.register(registrationOf("web", "web-1"));
  const successor = { ...registrationOf("web", "web-1"), sidecarPid: 4711, admin: "127.0.0.1:4711" };
  const handle = await open().registry.register(successor);
  await handle.setHealth("passing", "");
  await old.deregister();
  expect((await agent.client.ask({ path: "agent/service/web-1" })).status).toBe(200);
  await handle.deregister();
  expect((await agent.client.ask({ path: "agent/service/web-1" })).status).toBe(404);
});

test("a configuration that went away with the state of Consul stays in force until there is one again", async () => {
  const defaults = { Kind: "service-defaults", Name: "web", Protocol: "grpc", Meta: { ferry_retries: "2" } };
  const resolver = (version: string) => ({
    ...{ Kind: "service-resolver", Name: "web", DefaultSubset: "a" },
    Subsets: { a: { Filter: `Service.Meta.version == ${version}` } },
  });
  await agent.write({ Kind: "proxy-defaults", Name: "global", Config: { ferry_retries: 3 } });
  await agent.write(defaults);
  await agent.write(resolver("v1"));
  const notices: string[] = [];
  const { watches, problems } = open();
  const signal = stop.signal.signal;
  const chains = new ConsulChains({ watches, signal, onNotice: (sentence) => notices.push(sentence) });
  const views: ChainView[] = [];
  chains.watchChain("web", (view) => views.push(view), signal);
  await vi.waitFor(() => expect(views).toHaveLength(1), soon);
  await agent.restart();
  await vi.waitFor(() => expect(notices.join()).toContain("run `ferry apply`"), soon);
  await vi.waitFor(() => expect(problems.join()).toContain("answers again after"), soon);
  expect(views.at(-1)?.chain).toEqual(views[0]?.chain);
  expect(views.at(-1)?.globalConfig).toEqual({ ferry_retries: 3 });
  expect(chains.inForce.hash).toContain("lost its state");
  await agent.write(defaults);
  await agent.write(resolver("v2"));
  await vi.waitFor(() => expect(JSON.stringify(views.at(-1)?.chain)).toContain("version == v2"), soon);
  expect(views.at(-1)?.globalConfig).toEqual({});
  expect(notices.at(-1)).toBe("Consul has a configuration again; it is in force");
  expect(chains.inForce.hash).toBe("consul");
});

test("a configuration that somebody deletes is not in force any more", async () => {
  await agent.write({ Kind: "service-defaults", Name: "web", Protocol: "grpc" });
  const signal = stop.signal.signal;
  const chains = new ConsulChains({ watches: open().watches, signal, onNotice: () => {} });
  const views: ChainView[] = [];
  chains.watchChain("web", (view) => views.push(view), signal);
  await vi.waitFor(() => expect(views.at(-1)?.chain.Protocol).toBe("grpc"), soon);
  await agent.client.expectOk({ method: "DELETE", path: "config/service-defaults/web" });
  await vi.waitFor(() => expect(views.at(-1)?.chain.Protocol).toBe("tcp"), soon);
  expect(chains.inForce.hash).toBe("consul");
});
