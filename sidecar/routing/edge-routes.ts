// The gateway's routes for services that nobody configured a route for: an instance states its gRPC services when it
// registers (`ferry_grpc_services`), and calls of `/<full service name>/` go to it. They stand behind the configured
// routes, so configuration always wins, and before the catch-all. Called by the gateway's control part; pure.

import type { ChainNode, ChainRoute, ChainTarget, DiscoveryChain } from "./discovery-chain.ts";

export interface EdgeRoutesInput {
  /** The virtual service's own chain. */
  readonly chain: DiscoveryChain;
  /** As Registry.watchServices tells: by service, its gRPC services. */
  readonly services: ReadonlyMap<string, readonly string[]>;
  /** The chain of one registered service; undefined when it cannot be had: the service gets no routes then. */
  readonly chainOf: (service: string) => DiscoveryChain | undefined;
}

/** What every server answers about itself, and Ferry's own: routed to nobody, for it would reach an arbitrary one. */
const internal = ["grpc.health.", "grpc.reflection.", "grpc.channelz.", "ferry.admin."];

/**
 * The chain with the routes added. When two services state the same gRPC service, the first by name gets it. The
 * catch-all to the virtual service itself is dropped while no instance is registered under that name: what no route
 * names is then answered as "no route" instead of "no instance".
 */
export function addEdgeRoutes({ chain, services, chainOf }: EdgeRoutesInput): DiscoveryChain {
  const nodes: Record<string, ChainNode> = { ...chain.Nodes };
  const targets: Record<string, ChainTarget> = { ...chain.Targets };
  const added: ChainRoute[] = [];
  const taken = new Set<string>();
  for (const [service, names] of [...services].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const free = names.filter((name) => !taken.has(name) && !internal.some((prefix) => name.startsWith(prefix)));
    const own = free.length === 0 ? undefined : chainOf(service);
    if (own === undefined) continue;
    // What the chain itself has under these keys stays: keys of one compilation mean the same in another.
    for (const [key, node] of Object.entries(own.Nodes)) if (node.Type !== "router") nodes[key] ??= node;
    for (const [id, target] of Object.entries(own.Targets)) targets[id] ??= target;
    for (const name of [...free].sort()) {
      taken.add(name);
      const Definition = { Match: { HTTP: { PathPrefix: `/${name}/` } }, Destination: { Service: service } };
      added.push({ Definition, NextNode: behindRouter(own) });
    }
  }
  const { configured, catchAll } = ownRoutes(chain);
  const last = services.has(chain.ServiceName) ? catchAll : [];
  const key = `edge:${chain.ServiceName}`;
  delete nodes[chain.StartNode];
  if (chain.Nodes[chain.StartNode]?.Type !== "router") nodes[chain.StartNode] = chain.Nodes[chain.StartNode]!;
  nodes[key] = { Type: "router", Name: chain.ServiceName, Routes: [...configured, ...added, ...last] };
  return { ...chain, StartNode: key, Nodes: nodes, Targets: targets };
}

/** Consul appends the catch-all as the last route; a chain without a router is all catch-all. */
function ownRoutes(chain: DiscoveryChain): { configured: readonly ChainRoute[]; catchAll: readonly ChainRoute[] } {
  const start = chain.Nodes[chain.StartNode];
  if (start?.Type !== "router") return { configured: [], catchAll: [{ NextNode: chain.StartNode }] };
  return { configured: start.Routes.slice(0, -1), catchAll: start.Routes.slice(-1) };
}

/** Only the router of the service that a call names is consulted (Consul's rule); its last route leads behind it. */
function behindRouter(chain: DiscoveryChain): string {
  const start = chain.Nodes[chain.StartNode];
  return start?.Type === "router" ? (start.Routes.at(-1)?.NextNode ?? chain.StartNode) : chain.StartNode;
}
