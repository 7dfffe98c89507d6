// The decision of resolveRoute with its reasons, for people: which rules were looked at, why each did not match, and
// what the one that did leads to, with every setting in force there. Called by `ferry route`; never on a call's path.
// Uses the same compiled tests as calls do, so that it cannot tell another story.

import { fieldValue, type HeaderFields } from "../http2/header-field.ts";
import type { RouteMatch } from "./discovery-chain.ts";
import { type SettingInForce, settingsInForce } from "./explain-settings.ts";
import { compileMatch } from "./path-and-header-match.ts";
import { decisionFor } from "./route-leg.ts";
import { type RouteDecision, type RouteTable, resolveRoute } from "./route-table.ts";
import type { Snapshot } from "./snapshot.ts";

export interface RouteExplanation {
  /** The rules in order, up to the one that matches. */
  readonly rules: readonly RuleExplanation[];
  /** What decides the split instead of chance for calls that bear it; empty: only chance does. */
  readonly stickyHeader: string;
  /** Where a call may go, with its share in percent; empty when no rule matches. */
  readonly legs: readonly LegExplanation[];
  readonly traits: RouteDecision["candidates"]["traits"];
}

export interface LegExplanation {
  readonly percent: number;
  /** This very call goes here: it is the only leg, or the split is sticky and the call bears the header. */
  readonly isChosen: boolean;
  readonly decision: RouteDecision;
  /** What is in force for this method, and who said so. */
  readonly settings: readonly SettingInForce[];
}

export interface RuleExplanation {
  /** As `router quoter[1]`. */
  readonly rule: string;
  /** As `PathPrefix /quoter.query.v1. and header x-device Exact mobile`. */
  readonly condition: string;
  readonly verdict: "matches" | "other path" | "other header or method" | "broken rule";
}

export function explainRoute(
  { snapshot, table }: { readonly snapshot: Snapshot; readonly table: RouteTable },
  path: string,
  fields: HeaderFields,
): RouteExplanation {
  const start = snapshot.chain.Nodes[snapshot.chain.StartNode];
  const traits = table.methods.get(path);
  const rules: RuleExplanation[] = [];
  for (const [index, rule] of table.rules.entries()) {
    const match = start?.Type === "router" ? start.Routes[index]?.Definition?.Match : undefined;
    const name = start?.Type === "router" ? `router ${snapshot.chain.ServiceName}[${index}]` : "no router";
    const verdict = verdictOf(rule, path, fields, compileMatch(match).problem !== undefined);
    rules.push({ rule: name, condition: conditionOf(match), verdict });
    if (verdict !== "matches") continue;
    const total = rule.legs.reduce((sum, leg) => sum + leg.weight, 0);
    const routeIndex = start?.Type === "router" ? index : undefined;
    const stickyHeader = rule.sticky?.header ?? "";
    const taken = rule.legs.filter((leg) => leg.weight > 0);
    const isDecided = taken.length === 1 || (stickyHeader !== "" && (fieldValue(fields, stickyHeader) ?? "") !== "");
    const chosen = isDecided ? resolveRoute(table, path, fields, () => 0) : undefined;
    const legs = taken.map((leg): LegExplanation => {
      const decision = decisionFor(leg, path, traits);
      const settings = settingsInForce({ chain: snapshot.chain, routeIndex, leg, path, route: decision.route });
      return { percent: (leg.weight / total) * 100, isChosen: decision === chosen, decision, settings };
    });
    return { rules, stickyHeader, legs, traits };
  }
  return { rules, stickyHeader: "", legs: [], traits };
}

function verdictOf(
  rule: RouteTable["rules"][number],
  path: string,
  fields: HeaderFields,
  isBroken: boolean,
): RuleExplanation["verdict"] {
  if (isBroken) return "broken rule";
  if (!rule.matchesPath(path)) return "other path";
  return rule.matchesFields === undefined || rule.matchesFields(fields) ? "matches" : "other header or method";
}

/** The conditions of a rule in words, from its definition. */
export function conditionOf(match: RouteMatch | undefined): string {
  const { Header = [], Methods = [], ...paths } = match?.HTTP ?? {};
  const { PathExact, PathPrefix, PathRegex, CaseInsensitive } = paths;
  const conditions: string[] = [];
  for (const [kind, path] of Object.entries({ PathExact, PathPrefix, PathRegex })) {
    if (path !== undefined && path !== "") {
      conditions.push(`${kind} ${path}${CaseInsensitive === true ? " in any case" : ""}`);
    }
  }
  if (Methods.length > 0) conditions.push(`method ${Methods.join(" or ")}`);
  for (const { Name, Invert, Present: _, ...tests } of Header) {
    const stated = Object.entries(tests).find(([, value]) => value !== "");
    const test = stated === undefined ? "Present" : `${stated[0]} ${stated[1]}`;
    conditions.push(`header ${Name} ${Invert === true ? "not " : ""}${test}`);
  }
  return conditions.length === 0 ? "every call" : conditions.join(" and ");
}
