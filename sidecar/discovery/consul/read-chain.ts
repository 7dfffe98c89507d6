// A discovery chain as Consul compiled it, made safe to walk: what Ferry does not act on is named (once, by the
// caller), and what it would misread is taken out. Nothing else is changed. Pure.
//
//   - a node of an unknown type, and targets in another datacenter or behind a peer: taken out, so that calls of such a
//     leg fail with a reason instead of reaching somebody else
//   - a route with a condition that we cannot test: taken out, because without it the route would match more
//   - an unknown or idle field: named, and without effect

import { retryOnWords } from "../../grpc/retry-on.ts";
import type {
  ChainNode,
  ChainRoute,
  ChainTarget,
  DiscoveryChain,
  LoadBalancer,
  RouterNode,
  SplitterNode,
} from "../../routing/discovery-chain.ts";

export interface ReadChain {
  readonly chain: DiscoveryChain;
  /** Of the cluster that compiled it; another one means that it lost its state. Empty when it does not tell. */
  readonly trustDomain: string;
  /** A sentence for everything that is without effect here. */
  readonly notices: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** By place: the fields that are acted on, and those that say nothing to us and need no word. */
const known = {
  chain: [
    ..."ServiceName Namespace Partition Datacenter Default Protocol StartNode Nodes Targets ServiceMeta".split(" "),
    ..."AutoVirtualIPs ManualVirtualIPs CustomizationHash VirtualIPs".split(" "),
  ],
  router: ["Type", "Name", "Routes"],
  splitter: ["Type", "Name", "Splits"],
  resolver: ["Type", "Name", "Resolver", "LoadBalancer"],
  route: ["Definition", "NextNode"],
  match: ["PathExact", "PathPrefix", "PathRegex", "CaseInsensitive", "Header", "Methods"],
  header: ["Name", "Present", "Exact", "Prefix", "Suffix", "Regex", "Invert"],
  destination: [
    ..."Service ServiceSubset Namespace Partition RequestTimeout NumRetries RetryOnConnectFailure".split(" "),
    ..."RetryOn RetryOnStatusCodes RequestHeaders ResponseHeaders".split(" "),
  ],
  split: ["Definition", "Weight", "NextNode"],
  leg: ["Weight", "Service", "ServiceSubset", "Namespace", "Partition", "RequestHeaders", "ResponseHeaders"],
  resolve: ["Default", "ConnectTimeout", "RequestTimeout", "Target", "Failover"],
  failover: ["Targets"],
  balancer: ["Policy", "LeastRequestConfig", "RingHashConfig", "HashPolicies"],
  leastRequest: ["ChoiceCount"],
  ringHash: ["MinimumRingSize", "MaximumRingSize"],
  // SourceIP: to a sidecar all calls come from its own application. CookieConfig: a cookie is read, never made.
  hashPolicy: ["Field", "FieldValue", "Terminal"],
  target: [
    ..."ID Service ServiceSubset Namespace Partition Datacenter SNI Name Subset ConnectTimeout".split(" "),
    "TransparentProxy",
  ],
  subset: ["Filter", "OnlyPassing"],
} as const;

/** Throws when `body` is no discovery chain at all. */
export function readChain(body: unknown): ReadChain {
  const chain = (body as { Chain?: DiscoveryChain } | undefined)?.Chain;
  if (!isFields(chain) || !isFields(chain.Nodes) || !isFields(chain.Targets) || typeof chain.StartNode !== "string") {
    throw new Error("expected a discovery chain with StartNode, Nodes and Targets");
  }
  const notices: string[] = [];
  const note = (what: string) => notices.push(`discovery chain of ${chain.ServiceName}: ${what}`);
  noteUnknown(chain, known.chain, "", note);
  const targets = Object.entries(chain.Targets).filter(([id, target]) => canReach(id, target, chain, note));
  const nodes: [string, ChainNode][] = [];
  for (const [key, node] of Object.entries(chain.Nodes)) {
    const read = readNode(key, node, note);
    if (read !== undefined) nodes.push([key, read]);
  }
  const trustDomain = Object.values(chain.Targets)
    .map(({ SNI }) => /\.internal\.(.+)$/.exec(SNI ?? "")?.[1])
    .find((domain) => domain !== undefined);
  return {
    chain: { ...chain, Nodes: Object.fromEntries(nodes), Targets: Object.fromEntries(targets) },
    trustDomain: trustDomain ?? "",
    notices,
  };
}

/**
 * Whether a cluster that lost its state now compiles `after` from nothing, where `before` was configured: nobody has
 * decided that.
 */
export function isWiped(before: ReadChain, after: ReadChain): boolean {
  const isSameCluster =
    before.trustDomain === after.trustDomain || before.trustDomain === "" || after.trustDomain === "";
  return !isSameCluster && isBare(after.chain) && !isBare(before.chain);
}

/** Neither router, splitter nor resolver, and not even a protocol or settings of ours. */
function isBare({ Default, Protocol, ServiceMeta }: DiscoveryChain): boolean {
  return Default === true && Protocol === "tcp" && Object.keys(ServiceMeta ?? {}).length === 0;
}

type Note = (what: string) => void;

function canReach(id: string, target: ChainTarget, chain: DiscoveryChain, note: Note): boolean {
  noteUnknown(target, known.target, `target ${id}`, note);
  noteUnknown(target.Subset, known.subset, `target ${id} Subset`, note);
  const peer = (target as { Peer?: string }).Peer ?? "";
  const elsewhere = target.Datacenter !== undefined && target.Datacenter !== chain.Datacenter;
  if (peer === "" && !elsewhere) return true;
  note(`target ${id} is ${peer === "" ? `in datacenter ${target.Datacenter}` : `at peer ${peer}`}: not reached yet`);
  return false;
}

function readNode(key: string, node: ChainNode, note: Note): ChainNode | undefined {
  switch (node.Type) {
    case "router":
      noteUnknown(node, known.router, key, note);
      return { ...node, Routes: (node.Routes ?? []).filter((route, at) => readRoute(route, `${key}[${at}]`, note)) };
    case "splitter":
      return readSplitter(key, node, note);
    case "resolver": {
      noteUnknown(node, known.resolver, key, note);
      noteUnknown(node.Resolver, known.resolve, key, note);
      noteUnknown(node.Resolver.Failover, known.failover, `${key} Failover`, note);
      noteBalancer(node.LoadBalancer, key, note);
      return node;
    }
    default:
      note(`${key} has the unknown type ${JSON.stringify((node as Fields).Type)}: what leads there fails`);
      return undefined;
  }
}

/** What of a LoadBalancer is not acted on. */
function noteBalancer(balancer: LoadBalancer | undefined, key: string, note: Note): void {
  const at = `${key} LoadBalancer`;
  noteUnknown(balancer, known.balancer, at, note);
  noteUnknown(balancer?.LeastRequestConfig, known.leastRequest, `${at} LeastRequestConfig`, note);
  noteUnknown(balancer?.RingHashConfig, known.ringHash, `${at} RingHashConfig`, note);
  for (const [index, policy] of (balancer?.HashPolicies ?? []).entries()) {
    const place = `${at} HashPolicies[${index}]`;
    noteUnknown(policy, known.hashPolicy, place, note);
    const { Field = "" } = policy;
    if (Field !== "" && !hashFields.has(Field)) note(`${place}: Field ${Field} has no effect`);
  }
  const { Policy = "" } = balancer ?? {};
  if (Policy !== "" && !policies.has(Policy)) note(`${at}: Policy ${Policy} is not known and has no effect`);
}

const hashFields: ReadonlySet<string> = new Set(["header", "cookie"]);
const policies: ReadonlySet<string> = new Set(["random", "round_robin", "least_request", "ring_hash", "maglev"]);

function readSplitter(key: string, node: SplitterNode, note: Note): SplitterNode {
  // A LoadBalancer here repeats one of its resolvers.
  noteUnknown(node, [...known.splitter, "LoadBalancer"], key, note);
  for (const [at, split] of (node.Splits ?? []).entries()) {
    noteUnknown(split, known.split, `${key}[${at}]`, note);
    noteUnknown(split.Definition, known.leg, `${key}[${at}]`, note);
  }
  return { ...node, Splits: node.Splits ?? [] };
}

/** Whether the route can be used. */
function readRoute(route: RouterNode["Routes"][number], at: string, note: Note): route is ChainRoute {
  noteUnknown(route, known.route, at, note);
  const destination = route.Definition?.Destination;
  noteUnknown(destination, known.destination, at, note);
  for (const word of destination?.RetryOn ?? []) {
    if (!retryOnWords.has(word)) note(`${at}: RetryOn ${JSON.stringify(word)} has no effect: it says nothing to gRPC`);
  }
  const match = route.Definition?.Match?.HTTP;
  const conditions = [
    ...unknownOf(route.Definition?.Match, ["HTTP"]),
    ...unknownOf(match, known.match),
    ...(match?.Header ?? []).flatMap((header) => unknownOf(header, known.header)),
  ];
  if (conditions.length === 0) return true;
  note(`${at}: cannot test ${conditions.join(", ")}: the route matches nothing`);
  return false;
}

function noteUnknown(value: object | null | undefined, fields: readonly string[], at: string, note: Note): void {
  for (const name of unknownOf(value, fields)) note(`${at === "" ? "" : `${at}: `}${name} has no effect yet`);
}

/** Fields that say something and are none of `fields`. */
function unknownOf(value: object | null | undefined, fields: readonly string[]): readonly string[] {
  return Object.entries(value ?? {})
    .filter(([name, held]) => !fields.includes(name) && !isZero(held))
    .map(([name]) => name);
}

/** How Go writes "not set". */
function isZero(value: unknown): boolean {
  if (value === null || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.values(value as object).every(isZero);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
