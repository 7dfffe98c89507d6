// Compiles config entries into a discovery chain as Consul does, for the directory mode only: with Consul, the chain it
// returns is walked as it is. Called by the control part for each upstream, and by check-entries.ts to verify the
// graph, as Consul does at every write. Pure. The order of steps is Consul's (agent/consul/discoverychain/compile.go):
// router of the top service only; splitters, flattened; resolvers with redirect, default subset and failover.

import { nearestName } from "../../common/nearest-name.ts";
import { flattenSplitters } from "./chain-flattening.ts";
import type {
  ChainNode,
  ChainRoute,
  ChainSplit,
  ChainTarget,
  DiscoveryChain,
  ResolverNode,
} from "./discovery-chain.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { type EntrySet, fileOf, type Kind, type ResolverTarget } from "./mesh-config/config-entry.ts";
import type { Problem } from "./mesh-config/problem.ts";

export type CompiledChain =
  | { readonly ok: true; readonly chain: DiscoveryChain }
  | { readonly ok: false; readonly problem: Problem };

/** What a chain leads to before its entry is looked up. */
interface Destination {
  readonly service: string;
  readonly subset: string;
}

/** Where in the configuration something was asked for, to tell mistakes at their place. */
interface Origin {
  readonly kind: Kind;
  readonly name: string;
  readonly path: string;
}

const defaultConnectTimeout = "5s";
const datacenter = "dc1";

/** A service that nothing is configured for compiles as well, to one resolver by default. */
export function compileChain(entries: EntrySet, service: string): CompiledChain {
  try {
    return { ok: true, chain: new ChainCompiler(entries, service).compile() };
  } catch (error) {
    if (error instanceof ChainError) return { ok: false, problem: error.problem };
    throw error;
  }
}

/** Ends a compilation; never leaves this file. */
class ChainError extends Error {
  readonly problem: Problem;

  constructor({ kind, name, path }: Origin, what: { expected: string; found: string; suggestion?: string }) {
    super(what.expected);
    this.problem = { file: fileOf(kind, name), path, suggestion: "", ...what };
  }
}

class ChainCompiler {
  readonly #entries: EntrySet;
  readonly #service: string;
  readonly #nodes: Record<string, ChainNode> = {};
  readonly #targets: Record<string, ChainTarget> = {};
  /** The first service met and its protocol: all others must have the same. */
  #protocol: { readonly service: string; readonly name: string } | undefined;
  /** The entry that needs a protocol whose calls have paths and headers. */
  #needsCalls: Origin | undefined;

  constructor(entries: EntrySet, service: string) {
    this.#entries = entries;
    this.#service = service;
  }

  compile(): DiscoveryChain {
    const { proxyDefaults, serviceDefaults } = this.#entries;
    const start = this.#router() ?? this.#splitterOrResolver(this.#service, this.#ownOrigin("service-resolver"));
    const protocol = this.#protocol?.name ?? "tcp";
    if (this.#needsCalls !== undefined && protocol === "tcp") {
      const place = proxyDefaults === undefined ? "a proxy-defaults entry" : "proxy-defaults Config.protocol";
      throw new ChainError(this.#needsCalls, {
        expected: `protocol grpc, set by service-defaults of ${this.#service} or by ${place}`,
        found: '"tcp"',
      });
    }
    const Nodes = flattenSplitters(this.#nodes, start);
    const meta = serviceDefaults.get(this.#service)?.Meta;
    const isDefault = Object.values(Nodes).every((node) => node.Type === "resolver" && node.Resolver.Default === true);
    return {
      ServiceName: this.#service,
      ...{ Namespace: "default", Partition: "default", Datacenter: datacenter },
      ...(isDefault ? { Default: true } : {}),
      Protocol: protocol,
      StartNode: start,
      Nodes,
      Targets: this.#usedTargets(Nodes),
      ...(meta === undefined ? {} : { ServiceMeta: meta }),
    };
  }

  #router(): string | undefined {
    const router = this.#entries.routers.get(this.#service);
    if (router === undefined) return undefined;
    this.#needsCalls = this.#ownOrigin("service-router");
    this.#meet(this.#service, this.#needsCalls);
    const Routes: ChainRoute[] = (router.Routes ?? []).map((Definition, index) => {
      const { Service = "", ServiceSubset = "" } = Definition.Destination ?? {};
      const origin: Origin = { ...this.#ownOrigin("service-router"), path: `Routes[${index}].Destination` };
      const service = Service === "" ? this.#service : Service;
      const NextNode =
        ServiceSubset === ""
          ? this.#splitterOrResolver(service, origin)
          : this.#resolver({ service, subset: ServiceSubset }, origin);
      return { Definition, NextNode };
    });
    const Destination = { Service: this.#service, Namespace: "default", Partition: "default" };
    Routes.push({
      Definition: { Match: { HTTP: { PathPrefix: "/" } }, Destination },
      NextNode: this.#splitterOrResolver(this.#service, this.#ownOrigin("service-router")),
    });
    const name = qualified(this.#service);
    this.#nodes[`router:${name}`] = { Type: "router", Name: name, Routes };
    return `router:${name}`;
  }

  #splitterOrResolver(service: string, origin: Origin): string {
    return this.#splitter(service) ?? this.#resolver({ service, subset: "" }, origin);
  }

  #splitter(service: string): string | undefined {
    const splitter = this.#entries.splitters.get(service);
    if (splitter === undefined) return undefined;
    const name = qualified(service);
    const key = `splitter:${name}`;
    if (this.#nodes[key] !== undefined) return key;
    const Splits: ChainSplit[] = [];
    // Recorded before its legs are followed, so that a circle ends here; flattening tells it.
    this.#nodes[key] = { Type: "splitter", Name: name, Splits };
    this.#needsCalls ??= { kind: "service-splitter", name: service, path: "" };
    (splitter.Splits ?? []).forEach((split, index) => {
      const { Service = "", ServiceSubset = "" } = split;
      const Weight = Math.round((split.Weight ?? 0) * 100) / 100;
      const Definition = { ...split, Weight };
      const origin: Origin = { kind: "service-splitter", name: service, path: `Splits[${index}]` };
      const next = Service === "" ? service : Service;
      const isOther = next !== service && ServiceSubset === "";
      const inner = isOther ? this.#splitter(next) : undefined;
      const NextNode = inner ?? this.#resolver({ service: next, subset: ServiceSubset }, origin);
      Splits.push({ Definition, ...(Weight === 0 ? {} : { Weight }), NextNode });
    });
    return key;
  }

  #resolver(destination: Destination, origin: Origin): string {
    const node = this.#resolve(destination, origin);
    const key = `resolver:${node.Name}`;
    if (this.#nodes[key] !== undefined) return key;
    this.#nodes[key] = this.#withFailover(node);
    return key;
  }

  /** Follows redirects and default subsets to the target in the end; without failover. */
  #resolve(wanted: Destination, origin: Origin): ResolverNode {
    let destination = wanted;
    let asked = origin;
    const history: string[] = [];
    for (;;) {
      const { service, subset } = destination;
      const id = targetId(destination);
      this.#meet(service, asked);
      const entry = this.#entries.resolvers.get(service);
      if (history.includes(id)) {
        throw new ChainError(asked, { expected: "a redirect that ends", found: [...history, id].join(" -> ") });
      }
      history.push(id);
      const redirected = rewrite(destination, entry?.Redirect ?? {});
      if (targetId(redirected) !== id) {
        asked = { kind: "service-resolver", name: service, path: "Redirect" };
        destination = redirected;
        continue;
      }
      if (subset === "" && (entry?.DefaultSubset ?? "") !== "") {
        asked = { kind: "service-resolver", name: service, path: "DefaultSubset" };
        destination = { service, subset: entry!.DefaultSubset! };
        continue;
      }
      this.#checkSubset(destination, asked);
      return this.#resolverNode(destination);
    }
  }

  #resolverNode({ service, subset }: Destination): ResolverNode {
    const entry = this.#entries.resolvers.get(service);
    const id = targetId({ service, subset });
    const connectMs = parseDuration(entry?.ConnectTimeout ?? "0") ?? 0;
    const ConnectTimeout = connectMs > 0 ? formatDuration(connectMs) : defaultConnectTimeout;
    const requestMs = parseDuration(entry?.RequestTimeout ?? "0") ?? 0;
    const definition = subset === "" ? undefined : entry?.Subsets?.[subset];
    this.#targets[id] = {
      ...{ ID: id, Service: service, Namespace: "default", Partition: "default", Datacenter: datacenter },
      ...(subset === "" ? {} : { ServiceSubset: subset }),
      Subset: definition ?? {},
      ConnectTimeout,
    };
    return {
      Type: "resolver",
      Name: id,
      Resolver: {
        ...(entry === undefined ? { Default: true } : {}),
        ConnectTimeout,
        // Consul returns this one as nanoseconds.
        ...(requestMs === 0 ? {} : { RequestTimeout: Math.round(requestMs * 1e6) }),
        Target: id,
      },
      ...(entry?.LoadBalancer === undefined ? {} : { LoadBalancer: entry.LoadBalancer }),
    };
  }

  /** Failover targets are resolved in turn, but their own failover is not followed. */
  #withFailover(node: ResolverNode): ResolverNode {
    const { Service: service, ServiceSubset: subset = "" } = this.#targets[node.Resolver.Target]!;
    const entry = this.#entries.resolvers.get(service);
    const key = entry?.Failover?.[subset] === undefined ? "*" : subset;
    const failover = entry?.Failover?.[key];
    if (failover === undefined) return node;
    const origin: Origin = { kind: "service-resolver", name: service, path: `Failover.${key === "*" ? '"*"' : key}` };
    const hasTargets = failover.Targets !== undefined && failover.Targets.length > 0;
    const Targets: string[] = [];
    for (const [index, target] of (hasTargets ? failover.Targets! : [failover]).entries()) {
      const path = hasTargets ? `${origin.path}.Targets[${index}]` : origin.path;
      const destination = rewrite({ service, subset }, target);
      if (targetId(destination) === node.Resolver.Target) continue;
      Targets.push(this.#resolve(destination, { ...origin, path }).Resolver.Target);
    }
    return Targets.length === 0 ? node : { ...node, Resolver: { ...node.Resolver, Failover: { Targets } } };
  }

  #checkSubset({ service, subset }: Destination, asked: Origin): void {
    const names = Object.keys(this.#entries.resolvers.get(service)?.Subsets ?? {});
    if (subset === "" || names.includes(subset)) return;
    const field = asked.path.endsWith("DefaultSubset") ? asked.path : `${asked.path}.ServiceSubset`;
    const expected =
      names.length === 0
        ? `no subset, because service-resolver of ${service} defines none`
        : `a subset of ${service}: ${names.join(", ")}`;
    const suggestion = nearestName(subset, names) ?? "";
    throw new ChainError({ ...asked, path: field }, { expected, found: JSON.stringify(subset), suggestion });
  }

  /** All services of a chain must speak the same protocol. */
  #meet(service: string, asked: Origin): void {
    const name = protocolOf(this.#entries, service);
    this.#protocol ??= { service, name };
    if (this.#protocol.name === name) return;
    const expected = `a service with protocol ${this.#protocol.name}, as ${this.#protocol.service}`;
    throw new ChainError(asked, { expected, found: `${service} with protocol ${name}` });
  }

  #usedTargets(nodes: Readonly<Record<string, ChainNode>>): Record<string, ChainTarget> {
    const used: Record<string, ChainTarget> = {};
    for (const node of Object.values(nodes)) {
      if (node.Type !== "resolver") continue;
      for (const id of [node.Resolver.Target, ...(node.Resolver.Failover?.Targets ?? [])])
        used[id] = this.#targets[id]!;
    }
    return used;
  }

  #ownOrigin(kind: Kind): Origin {
    return { kind, name: this.#service, path: "" };
  }
}

/** As Consul: the service's own word, else that of proxy-defaults, else tcp. */
export function protocolOf({ serviceDefaults, proxyDefaults }: EntrySet, service: string): string {
  const global = proxyDefaults?.Config?.protocol;
  return serviceDefaults.get(service)?.Protocol ?? (typeof global === "string" && global !== "" ? global : "tcp");
}

/** A subset belongs to its service: naming another service drops it. */
function rewrite(destination: Destination, { Service = "", ServiceSubset = "" }: ResolverTarget): Destination {
  const isOther = Service !== "" && Service !== destination.service;
  const service = isOther ? Service : destination.service;
  const kept = isOther ? "" : destination.subset;
  return { service, subset: ServiceSubset === "" ? kept : ServiceSubset };
}

function targetId({ service, subset }: Destination): string {
  return `${subset === "" ? "" : `${subset}.`}${qualified(service)}.${datacenter}`;
}

function qualified(service: string): string {
  return `${service}.default.default`;
}
