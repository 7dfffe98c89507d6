// A route report in lines for people. Pure.

import { table } from "../console.ts";
import type { LegReport, RouteReport, TargetReport } from "./route-report.ts";

/** The decision alone, in one line. */
export function routeLine({ rules, legs, stickyHeader }: RouteReport): string {
  const rule = rules.at(-1)?.rule ?? "";
  const parts = legs.map((leg) => {
    const count = callable(leg.targets[0]);
    return `${percentText(leg.percent)} ${nameOf(leg)} (${count === 1 ? "1 endpoint" : `${count} endpoints`})`;
  });
  const chosen = legs.length > 1 ? legs.find(({ isChosen }) => isChosen) : undefined;
  const sticky = chosen === undefined ? "" : `; this call goes to ${nameOf(chosen)}, by ${stickyHeader}`;
  return `${rule}: ${parts.join(", ")}${sticky}`;
}

/** Everything: rules, legs with their endpoints, settings with their origin. */
export function routeLines(report: RouteReport): readonly string[] {
  const { method, upstream, headers, kind, idempotent, traitsFrom, rules, legs } = report;
  const marked = idempotent === null ? "" : idempotent ? ", idempotent" : ", not idempotent";
  const lines = table([
    ["method", `${method}: ${kind}${marked} (${traitsFrom})`],
    ["upstream", upstream],
    ...headers.map((header) => ["header", header]),
    ["config", report.config],
    ["registry", report.registry],
  ]);
  lines.push(
    "",
    ...table([["RULE", "VERDICT", "CONDITION"], ...rules.map((one) => [one.rule, one.verdict, one.condition])]),
  );
  for (const leg of legs) {
    const sticky = leg.isChosen && legs.length > 1 ? `; this call goes here, by ${report.stickyHeader}` : "";
    lines.push("", `${percentText(leg.percent)}  ${nameOf(leg)}  (${leg.explanation})${sticky}`);
    lines.push(...leg.targets.flatMap(targetLines));
  }
  for (const { names, leg } of bySettings(legs))
    lines.push("", `settings for ${names.join(" and ")}`, ...settingLines(leg));
  return lines;
}

function targetLines({ id, endpoints }: TargetReport, at: number): readonly string[] {
  const lines = [`  ${at === 0 ? "target" : `failover ${at}`} ${id}`];
  if (endpoints.length === 0) return [...lines, "    no instance"];
  const rows = endpoints.map(({ id: instance, address, version, health, weight, mayBeCalled, admission }) => [
    ...[instance, address, version || "-", health, weight === 1 ? "" : `weight ${weight}`],
    mayBeCalled ? (admission === null ? "" : `${admission} at the gateway`) : "gets no calls",
  ]);
  return [...lines, ...table(rows).map((line) => `    ${line}`)];
}

function settingLines({ settings, isIdempotent }: LegReport): readonly string[] {
  const rows = settings.map(({ key, value, origin }) => [`  ${key}`, value === "" ? "-" : value, origin]);
  const again = isIdempotent ? "may be sent again" : "is not sent again";
  return [...table([["  KEY", "VALUE", "ORIGIN"], ...rows]), `  a call that may have run ${again}`];
}

/** Legs with the same settings share one table. */
function bySettings(
  legs: readonly LegReport[],
): readonly { readonly names: readonly string[]; readonly leg: LegReport }[] {
  const groups = new Map<string, { readonly names: string[]; readonly leg: LegReport }>();
  for (const leg of legs) {
    const key = JSON.stringify([leg.settings, leg.isIdempotent]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { names: [nameOf(leg)], leg });
    else group.names.push(nameOf(leg));
  }
  return [...groups.values()];
}

function nameOf({ service, subset }: LegReport): string {
  return subset === "" ? service : `${service} ${subset}`;
}

function callable(target: TargetReport | undefined): number {
  return (target?.endpoints ?? []).filter(({ mayBeCalled }) => mayBeCalled).length;
}

function percentText(percent: number): string {
  return `${Math.round(percent * 100) / 100}%`;
}
