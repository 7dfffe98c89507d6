import { expect, test } from "vitest";
import { Control } from "./control.ts";
import type { Endpoint, Registry } from "./discovery/registry.ts";
import type { ChainView } from "./routing/chain-source.ts";
import type { DiscoveryChain } from "./routing/discovery-chain.ts";
import type { Snapshot } from "./routing/snapshot.ts";

function chainTo(upstream: string, ...services: string[]): ChainView {
  const ids = services.map((service) => `resolver:${service}`);
  const chain: DiscoveryChain = {
    ServiceName: upstream,
    Protocol: "grpc",
    StartNode: "router",
    Nodes: {
      router: { Type: "router", Name: upstream, Routes: ids.map((NextNode) => ({ NextNode })) },
      ...Object.fromEntries(
        services.map((service, i) => [ids[i], { Type: "resolver", Name: service, Resolver: { Target: service } }]),
      ),
    },
    Targets: Object.fromEntries(services.map((service) => [service, { ID: service, Service: service }])),
  };
  return { chain, globalConfig: {}, serviceMeta: new Map() };
}

function endpoint(service: string, id: string): Endpoint {
  return { id, service, version: "v1", host: "127.0.0.1", port: 1, weight: 1, health: "passing", meta: {} };
}

function setUp() {
  const snapshots: Snapshot[] = [];
  const chains = new Map<string, (view: ChainView) => void>();
  const services = new Map<string, (endpoints: readonly Endpoint[]) => void>();
  let learned: (service: string) => void = () => {};
  const control = new Control({
    registry: {
      watchService: (name, onChange, signal) => {
        services.set(name, onChange);
        signal.addEventListener("abort", () => services.delete(name));
      },
    } as Registry,
    chains: { watchChain: (upstream, onChange) => chains.set(upstream, onChange) },
    methods: {
      methodsOf: () => ({}),
      onMethods: (listener) => {
        learned = listener;
      },
    },
    apply: (snapshot) => snapshots.push(snapshot),
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { control, snapshots, chains, services, learned: (service: string) => learned(service), settle };
}

test("no snapshot goes out before every service of the chain has answered", async () => {
  const { control, snapshots, chains, services, settle } = setUp();
  control.want("web");
  chains.get("web")!(chainTo("web", "a", "b"));
  services.get("a")!([endpoint("a", "a-1")]);
  await settle();
  expect(snapshots).toHaveLength(0);
  services.get("b")!([]);
  await settle();
  expect(snapshots).toHaveLength(1);
  expect(snapshots[0]).toMatchObject({ upstream: "web", revision: 1 });
});

test("several changes of one moment make one snapshot, and revisions count up", async () => {
  const { control, snapshots, chains, services, learned, settle } = setUp();
  control.want("web");
  chains.get("web")!(chainTo("web", "a"));
  services.get("a")!([endpoint("a", "a-1")]);
  services.get("a")!([endpoint("a", "a-1"), endpoint("a", "a-2")]);
  await settle();
  learned("a");
  await settle();
  expect(snapshots.map((snapshot) => snapshot.revision)).toEqual([1, 2]);
  expect(snapshots[0]!.endpoints.a).toHaveLength(2);
});

test("a service that no chain leads to any more is no longer watched", async () => {
  const { control, chains, services, settle } = setUp();
  control.want("web");
  chains.get("web")!(chainTo("web", "a", "b"));
  chains.get("web")!(chainTo("web", "b"));
  await settle();
  expect([...services.keys()]).toEqual(["b"]);
});

test("an upstream is watched once, however often it is wanted", () => {
  const { control, chains } = setUp();
  control.want("web");
  chains.delete("web");
  control.want("web");
  expect(chains.size).toBe(0);
});

test("what a service's settings say is told at once and after every change, with or without instances", () => {
  const { control, chains } = setUp();
  const seen: number[] = [];
  control.watchPolicy("a", (policy) => seen.push(policy.all.limit.inboundMaxCalls));
  const view = chainTo("a", "a");
  chains.get("a")!(view);
  // As Consul tells it: with the chain, where the chain leads nowhere else.
  chains.get("a")!({ ...view, chain: { ...view.chain, ServiceMeta: { ferry_inbound_max_calls: "5" } } });
  // As the directory tells it: with all services.
  chains.get("a")!({ ...view, serviceMeta: new Map([["a", { ferry_inbound_max_calls: "6" }]]) });
  chains.get("a")!({ ...view, globalConfig: { ferry_inbound_max_calls: 7 } });
  expect(seen).toEqual([1_024, 5, 6, 7]);
});
