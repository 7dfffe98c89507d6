// The fast form of a Snapshot: what a call's route is decided with. `compileRouteTable` runs once per snapshot,
// `resolveRoute` once per call; both are pure but for a bounded memory of paths seen.
//
// Hot: resolveRoute runs once per call. The path of a gRPC call is its method, and there are few: what the path alone
// decides (which rules can match, what is known of the method) is worked out once per path, so a call costs one Map
// lookup, the header tests that are left, and one random number for a split, or the hash of the header that makes it
// sticky (bench/micro/route.ts).

import type { Random } from "../../common/random.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { fieldValue, type HeaderFields } from "../http2/header-field.ts";
import type { HeaderChange } from "./discovery-chain.ts";
import { compileMatch } from "./path-and-header-match.ts";
import type { Balancer } from "./policy/balance-policy.ts";
import type { CallPolicy } from "./policy/call-policy.ts";
import { compileLegs, decisionFor, type Leg } from "./route-leg.ts";
import type { MethodTraits, Snapshot } from "./snapshot.ts";
import { compileSticky, pickSticky, type StickyLegs, type StickySplit, stickySplitOf } from "./sticky-split.ts";

/** Where one call goes and under which rules. Shared by all calls that match the same route and split. */
export interface Route {
  readonly upstream: string;
  readonly service: string;
  /** The subset, or empty. */
  readonly subset: string;
  /** The caller's deadline is capped by this, milliseconds; Infinity for no cap. */
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  /** How the endpoints share the calls. */
  readonly balancer: Balancer;
  /** Our own settings, of the service that the route leads to and the method that is called, under the chain's own. */
  readonly policy: CallPolicy;
  /** A call that may have run may be sent again: by the method's descriptor, unless the policy overrules it. */
  readonly isIdempotent: boolean;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  /** For people: which rule and which leg it was, as `router quoter[1] > splitter quote-query 90% > v1`. */
  readonly explanation: string;
}

/** The endpoints a call may go to, in order of preference: a later target only when none before it is healthy. */
export interface Candidates {
  /** Only endpoints that the registry allows to be dialed; a target without any has an empty list. */
  readonly targets: readonly CandidateTarget[];
  /** What is known of the call's method; undefined: nothing. */
  readonly traits: MethodTraits | undefined;
}

export interface CandidateTarget {
  readonly id: string;
  readonly endpoints: readonly Endpoint[];
  /** How many instances are registered with any weight, those that may not be dialed included. */
  readonly registered: number;
}

/** Prebuilt and shared: deciding a route makes no objects. */
export interface RouteDecision {
  readonly route: Route;
  readonly candidates: Candidates;
}

export interface RouteTable {
  readonly upstream: string;
  readonly revision: number;
  readonly rules: readonly Rule[];
  readonly methods: ReadonlyMap<string, MethodTraits>;
  /** Rules that could not be compiled and match nothing, for the operator. */
  readonly problems: readonly string[];
  /** What was worked out for the paths seen so far; bounded by `maxPaths`. */
  readonly paths: Map<string, PathPlan>;
}

/** One route of the router, or the only one where there is no router. */
export interface Rule {
  readonly matchesPath: (path: string) => boolean;
  readonly matchesFields: ((fields: HeaderFields) => boolean) | undefined;
  readonly legs: readonly Leg[];
  /** Set where a header decides which leg a call takes, and chance only where the header is missing. */
  readonly sticky: StickySplit | undefined;
}

/** The rules that can match one path, up to the first that always does. */
interface PathPlan {
  /** Set when nothing but the path counts. */
  readonly only: RouteDecision | undefined;
  readonly steps: readonly Step[];
}

interface Step {
  readonly matchesFields: ((fields: HeaderFields) => boolean) | undefined;
  /** Cumulative weights in hundredths of a percent, ascending; the last is the sum. */
  readonly upTo: readonly number[];
  readonly decisions: readonly RouteDecision[];
  readonly sticky: StickyLegs | undefined;
}

/** Paths come from callers: what is remembered of them is bounded, in number and in length. */
const maxPaths = 2_048;
const maxPathLength = 512;

export function compileRouteTable(snapshot: Snapshot): RouteTable {
  const { chain } = snapshot;
  const start = chain.Nodes[chain.StartNode];
  const problems: string[] = [];
  const rules: Rule[] = [];
  if (start?.Type === "router") {
    start.Routes.forEach((route, index) => {
      const { problem, ...match } = compileMatch(route.Definition?.Match);
      const where = `router ${chain.ServiceName}[${index}]`;
      if (problem !== undefined) problems.push(`${where}: ${problem}`);
      const destination = route.Definition?.Destination;
      const legs = compileLegs(snapshot, { where, nextNode: route.NextNode, destination, startsHere: false });
      if (legs.length === 0) problems.push(`${where}: leads to no target that can be used`);
      rules.push({ ...match, legs, sticky: stickySplitOf(snapshot, route.NextNode, legs) });
    });
  } else {
    const legs = compileLegs(snapshot, {
      where: "",
      nextNode: chain.StartNode,
      destination: undefined,
      startsHere: true,
    });
    if (legs.length === 0) problems.push(`chain of ${chain.ServiceName} leads to no target that can be used`);
    const sticky = stickySplitOf(snapshot, chain.StartNode, legs);
    rules.push({ matchesPath: () => true, matchesFields: undefined, legs, sticky });
  }
  const methods = new Map(Object.entries(snapshot.methods));
  return { upstream: snapshot.upstream, revision: snapshot.revision, rules, methods, problems, paths: new Map() };
}

/**
 * Where the call goes; undefined when no rule matches. Decide once per call, so that a retry stays on its side of a
 * split. `random` is asked only where there is a split that no header decides.
 */
export function resolveRoute(
  table: RouteTable,
  path: string,
  fields: HeaderFields,
  random: Random,
): RouteDecision | undefined {
  const plan = table.paths.get(path) ?? planFor(table, path);
  if (plan.only !== undefined) return plan.only;
  const steps = plan.steps;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    if (step.matchesFields === undefined || step.matchesFields(fields)) {
      const { sticky } = step;
      if (sticky === undefined) return pickLeg(step, random);
      return stickyDecision(step, sticky, fields) ?? pickLeg(step, random);
    }
  }
  return undefined;
}

/**
 * Where a call goes that is for one subset of the upstream's own service, whatever the splits say: a leg that the
 * call's path leads to before any other. A leg of weight 0 counts. Undefined when the chain does not name the subset.
 */
export function resolveSubset(table: RouteTable, path: string, subset: string): RouteDecision | undefined {
  const isIts = ({ common }: Leg) => common.subset === subset && common.service === table.upstream;
  const legs = table.rules.map((rule) => rule.legs.find(isIts));
  const leg =
    legs.find((its, index) => its !== undefined && table.rules[index]!.matchesPath(path)) ?? legs.find((its) => its);
  return leg && decisionFor(leg, path, table.methods.get(path));
}

function pickLeg(step: Step, random: Random): RouteDecision | undefined {
  const { upTo, decisions } = step;
  const last = upTo.length - 1;
  if (last <= 0) return decisions[0];
  const point = random() * upTo[last]!;
  let index = 0;
  while (index < last && point >= upTo[index]!) index++;
  return decisions[index];
}

/** What the header says; undefined where the call does not bear it. */
function stickyDecision(step: Step, sticky: StickyLegs, fields: HeaderFields): RouteDecision | undefined {
  const value = fieldValue(fields, sticky.header);
  return value === undefined || value === "" ? undefined : step.decisions[pickSticky(sticky, value)];
}

function planFor(table: RouteTable, path: string): PathPlan {
  const traits = table.methods.get(path);
  const steps: Step[] = [];
  for (const rule of table.rules) {
    if (!rule.matchesPath(path)) continue;
    steps.push(stepOf(rule, path, traits));
    if (rule.matchesFields === undefined) break;
  }
  const first = steps[0];
  const isPathAll = first !== undefined && first.matchesFields === undefined && first.decisions.length === 1;
  const plan = { only: isPathAll ? first.decisions[0] : undefined, steps };
  if (path.length <= maxPathLength) {
    if (table.paths.size >= maxPaths) table.paths.clear();
    table.paths.set(path, plan);
  }
  return plan;
}

function stepOf(rule: Rule, path: string, traits: MethodTraits | undefined): Step {
  const upTo: number[] = [];
  const decisions: RouteDecision[] = [];
  const legs = rule.legs.filter((leg) => leg.weight > 0);
  let sum = 0;
  for (const leg of legs) {
    sum += leg.weight;
    upTo.push(sum);
    decisions.push(decisionFor(leg, path, traits));
  }
  const sticky = rule.sticky === undefined || legs.length < 2 ? undefined : compileSticky(rule.sticky, legs);
  return { matchesFields: rule.matchesFields, upTo, decisions, sticky };
}
