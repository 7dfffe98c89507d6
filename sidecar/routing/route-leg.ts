// Follows a route of the discovery chain through splitters to its resolvers and makes of each end a leg: a share of the
// traffic, with the Route and the endpoints that its calls get. Called by route-table.ts when a snapshot is compiled;
// the objects made here are what calls share.

import type { Endpoint } from "../discovery/registry.ts";
import { parseRetryOn } from "../grpc/retry-on.ts";
import type { ChainSplit, DiscoveryChain, HeaderChange, ResolverNode, RouteDestination } from "./discovery-chain.ts";
import { durationMs } from "./duration.ts";
import { isEligible } from "./eligible-endpoints.ts";
import { balancerOf } from "./policy/balance-policy.ts";
import { type CallPolicy, defaultServicePolicy, policyFor, type ServicePolicy } from "./policy/call-policy.ts";
import type { RetryPolicy } from "./policy/retry-policy.ts";
import type { Candidates, Route, RouteDecision } from "./route-table.ts";
import type { MethodTraits, Snapshot } from "./snapshot.ts";

/** One end of a route. */
export interface Leg {
  /** Its share in hundredths of a percent. */
  readonly weight: number;
  /** What is the same for every method. */
  readonly common: Omit<Route, "policy" | "timeoutMs" | "isIdempotent">;
  /** The cap that the chain itself states; Infinity where it is switched off, undefined where it is silent. */
  readonly chainTimeoutMs: number | undefined;
  /** What the chain itself states about retries. */
  readonly chainRetry: Partial<RetryPolicy>;
  readonly policy: ServicePolicy;
  readonly targets: Candidates["targets"];
  /** By the method's policy, kind and idempotency: the decisions made so far. */
  readonly decisions: Map<CallPolicy, Map<string, RouteDecision>>;
}

export interface LegStart {
  /** The rule that leads here, for the explanation; empty when there is no router. */
  readonly where: string;
  readonly nextNode: string;
  readonly destination: RouteDestination | undefined;
  /** The chain starts at `nextNode`: only then does a resolver's RequestTimeout apply. */
  readonly startsHere: boolean;
}

interface Walk extends LegStart {
  readonly snapshot: Snapshot;
  readonly legs: Leg[];
}

interface Step {
  readonly node: string;
  /** Percent of the route's traffic that comes this way. */
  readonly share: number;
  readonly explanation: readonly string[];
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
}

/** Consul flattens splitters, so one level is the rule; the bound only keeps a broken chain from looping. */
const maxDepth = 16;

/** No legs: the chain leads nowhere that we know, and calls of this route fail rather than go astray. */
export function compileLegs(snapshot: Snapshot, start: LegStart): readonly Leg[] {
  const walk: Walk = { ...start, snapshot, legs: [] };
  const step = {
    node: start.nextNode,
    share: 100,
    explanation: start.where === "" ? [] : [start.where],
    requestHeaders: changes(start.destination?.RequestHeaders),
    responseHeaders: changes(start.destination?.ResponseHeaders),
  };
  follow(walk, step, 0);
  return walk.legs;
}

/** The decision for a method on this leg; the same object for methods of the same kind under the same policy. */
export function decisionFor(leg: Leg, path: string, traits: MethodTraits | undefined): RouteDecision {
  const policy = policyFor(leg.policy, path);
  let decisions = leg.decisions.get(policy);
  if (decisions === undefined) {
    decisions = new Map();
    leg.decisions.set(policy, decisions);
  }
  const key = traits === undefined ? "unknown" : `${traits.kind} ${traits.idempotent}`;
  const known = decisions.get(key);
  if (known !== undefined) return known;
  const decision = { route: routeFor(leg, policy, traits), candidates: { targets: leg.targets, traits } };
  decisions.set(key, decision);
  return decision;
}

function routeFor(leg: Leg, policy: CallPolicy, traits: MethodTraits | undefined): Route {
  const { idempotent } = policy.retry;
  // A cap on a unary call's time does not end a stream.
  const isStream = traits !== undefined && traits.kind !== "unary";
  const capMs = isStream || policy.deadline.requestTimeoutMs === 0 ? undefined : policy.deadline.requestTimeoutMs;
  return {
    ...leg.common,
    timeoutMs: leg.chainTimeoutMs ?? capMs ?? Number.POSITIVE_INFINITY,
    policy: withRetry(policy, leg.chainRetry),
    isIdempotent: idempotent === "declared" ? traits?.idempotent === true : idempotent === "yes",
  };
}

function follow(walk: Walk, step: Step, depth: number): void {
  const node = walk.snapshot.chain.Nodes[step.node];
  if (node === undefined || depth > maxDepth) return;
  if (node.Type === "splitter") {
    for (const split of node.Splits) follow(walk, afterSplit(step, split, displayName(node.Name)), depth + 1);
  } else if (node.Type === "resolver") {
    const leg = compileLeg(walk, step, node);
    if (leg !== undefined) walk.legs.push(leg);
  }
}

function afterSplit(step: Step, split: ChainSplit, name: string): Step {
  const weight = split.Weight ?? 0;
  return {
    node: split.NextNode,
    share: (step.share * weight) / 100,
    explanation: [...step.explanation, `splitter ${name} ${weight}%`],
    requestHeaders: [...step.requestHeaders, ...changes(split.Definition?.RequestHeaders)],
    responseHeaders: [...step.responseHeaders, ...changes(split.Definition?.ResponseHeaders)],
  };
}

function compileLeg(walk: Walk, step: Step, node: ResolverNode): Leg | undefined {
  const { snapshot } = walk;
  const target = snapshot.chain.Targets[node.Resolver.Target];
  if (target === undefined) return undefined;
  const subset = target.ServiceSubset ?? "";
  const common = {
    upstream: snapshot.upstream,
    service: target.Service,
    subset,
    connectTimeoutMs: durationMs(node.Resolver.ConnectTimeout, 5_000),
    balancer: balancerOf(node.LoadBalancer),
    requestHeaders: step.requestHeaders,
    responseHeaders: step.responseHeaders,
    explanation: [...step.explanation, subset === "" ? target.Service : `${target.Service} ${subset}`].join(" > "),
  };
  const ids = [node.Resolver.Target, ...(node.Resolver.Failover?.Targets ?? [])];
  return {
    weight: Math.round(step.share * 100),
    common,
    chainTimeoutMs: capMs(walk.destination?.RequestTimeout, walk.startsHere ? node.Resolver.RequestTimeout : undefined),
    chainRetry: chainRetry(walk.destination),
    policy: snapshot.policies[target.Service] ?? defaultServicePolicy,
    targets: ids.map((id) => ({
      ...{ id, endpoints: eligibleOf(snapshot, id) },
      registered: (snapshot.endpoints[id] ?? []).filter((endpoint) => endpoint.weight > 0).length,
    })),
    decisions: new Map(),
  };
}

/** What a route says in Consul's own words; nothing where it says nothing (0 is how Consul writes "not set"). */
function chainRetry(destination: RouteDestination | undefined): Partial<RetryPolicy> {
  const { NumRetries = 0, RetryOn, RetryOnStatusCodes } = destination ?? {};
  const on = RetryOn == null || RetryOn.length === 0 ? undefined : parseRetryOn(RetryOn);
  const httpStatuses = [...(on?.httpStatuses ?? []), ...(RetryOnStatusCodes ?? [])];
  return {
    ...(NumRetries !== 0 && { retries: NumRetries }),
    ...(on !== undefined && { statuses: on.statuses }),
    ...(httpStatuses.length > 0 && { httpStatuses }),
  };
}

function withRetry(policy: CallPolicy, stated: Partial<RetryPolicy>): CallPolicy {
  return Object.keys(stated).length === 0 ? policy : { ...policy, retry: { ...policy.retry, ...stated } };
}

function eligibleOf(snapshot: Snapshot, targetId: string): readonly Endpoint[] {
  const target = snapshot.chain.Targets[targetId];
  if (target === undefined) return [];
  return (snapshot.endpoints[targetId] ?? []).filter((endpoint) => isEligible(endpoint, target));
}

/** The cap that the chain itself states; Infinity where it is switched off (negative), undefined where it is silent. */
function capMs(onRoute: string | number | undefined, onResolver: string | number | undefined): number | undefined {
  const stated = durationMs(onRoute, 0) || durationMs(onResolver, 0);
  if (stated === 0) return undefined;
  return stated < 0 ? Number.POSITIVE_INFINITY : stated;
}

function changes(change: HeaderChange | undefined): readonly HeaderChange[] {
  return change === undefined ? [] : [change];
}

/** Without the namespace and partition that everything of the open-source Consul is in. For people only. */
export function displayName(nodeName: string): string {
  return nodeName.replace(/\.default\.default$/, "");
}

/** The services whose instances a chain can lead to: what must be watched for it. Sorted. */
export function servicesOf(chain: DiscoveryChain): readonly string[] {
  return [...new Set(Object.values(chain.Targets).map((target) => target.Service))].sort();
}
