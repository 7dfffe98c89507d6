// What is in force for one method on one leg of a route, setting by setting, and who said so: our own keys by their
// layers, then what Consul's own fields decide in spite of them. Called by explain-route.ts for `ferry route`; pure.
// Reads what the data part reads (the leg and its ServicePolicy), so that it cannot tell another story.

import { statusName } from "../grpc/status.ts";
import type { DiscoveryChain } from "./discovery-chain.ts";
import { durationMs, formatDuration } from "./duration.ts";
import { ferrySettings } from "./mesh-config/ferry-settings.ts";
import { type Balancer, defaultBalancer } from "./policy/balance-policy.ts";
import type { ServicePolicy } from "./policy/call-policy.ts";
import { displayName, type Leg } from "./route-leg.ts";
import type { Route } from "./route-table.ts";

export interface SettingInForce {
  /** As `ferry_retries`, or the name of a field of Consul's that has no key of ours. */
  readonly key: string;
  /** As it was written, or as the default would be; empty for none. */
  readonly value: string;
  /**
   * `default`, or where it stands: `proxy-defaults global Config ferry_retries`, `service-defaults quote-query Meta
   * ferry_retries:quoter.query.v1.QuoteQueryService/GetQuote`, `service-router quoter Routes[2] NumRetries`.
   */
  readonly origin: string;
}

export interface SettingsQuestion {
  readonly chain: DiscoveryChain;
  /** Of the router's routes the one that leads to the leg; undefined where there is no router. */
  readonly routeIndex: number | undefined;
  readonly leg: Leg;
  readonly path: string;
  /** What the leg decides for the path. */
  readonly route: Pick<Route, "timeoutMs">;
}

/** Every key, in the order of the reference page, then Consul's own fields. */
export function settingsInForce(question: SettingsQuestion): readonly SettingInForce[] {
  const stated = chainFields(question);
  const own = ferrySettings.map(({ key, default: value }): SettingInForce => {
    const byChain = stated.find((field) => field.key === key);
    const found = byChain ?? statedFor(question.leg.policy, key, question.path) ?? { key, value, origin: "default" };
    const isCap = key === "ferry_request_timeout" && found.value !== "0" && byChain === undefined;
    return isCap && !Number.isFinite(question.route.timeoutMs)
      ? { ...found, origin: `${found.origin} (streams are left alone)` }
      : found;
  });
  return [...own, ...stated.filter(({ key }) => !key.startsWith("ferry_"))];
}

/** The narrowest key that covers the path; which layer has it was decided when the policy was read. */
function statedFor({ origins }: ServicePolicy, key: string, path: string): SettingInForce | undefined {
  const method = path.slice(1);
  const service = `${method.slice(0, Math.max(0, method.lastIndexOf("/")))}/*`;
  for (const written of [`${key}:${method}`, `${key}:${service}`, key]) {
    const found = origins[written];
    if (found !== undefined) return { key, value: found.value, origin: `${found.origin} ${written}` };
  }
  return undefined;
}

/** What the chain itself says for this leg; it wins over our keys as in route-leg.ts. */
function chainFields({ chain, routeIndex, leg }: SettingsQuestion): readonly SettingInForce[] {
  const fields: SettingInForce[] = [];
  const start = chain.Nodes[chain.StartNode];
  const route = start?.Type === "router" && routeIndex !== undefined ? start.Routes[routeIndex] : undefined;
  const router = start?.Type === "router" ? `service-router ${displayName(start.Name)} Routes[${routeIndex}]` : "";
  const destination = route?.Definition?.Destination;
  const byResolver = `service-resolver ${leg.common.service}`;
  if (leg.chainTimeoutMs !== undefined) {
    const isRoute = durationMs(destination?.RequestTimeout, 0) !== 0;
    const value = Number.isFinite(leg.chainTimeoutMs) ? formatDuration(leg.chainTimeoutMs) : "none";
    fields.push({ key: "ferry_request_timeout", value, origin: `${isRoute ? router : byResolver} RequestTimeout` });
  }
  const { retries, statuses } = leg.chainRetry;
  if (retries !== undefined) fields.push({ key: "ferry_retries", value: `${retries}`, origin: `${router} NumRetries` });
  if (statuses !== undefined) {
    const value = statuses.length === 0 ? "none" : statuses.map(statusName).join(",");
    fields.push({ key: "ferry_retry_on", value, origin: `${router} RetryOn` });
  }
  const codes = destination?.RetryOnStatusCodes ?? [];
  if (codes.length > 0) {
    fields.push({ key: "RetryOnStatusCodes", value: codes.join(","), origin: `${router} RetryOnStatusCodes` });
  }
  const balancer = balancerText(leg.common.balancer);
  const isOurs = leg.common.balancer.kind === defaultBalancer.kind;
  fields.push({ key: "LoadBalancer", value: balancer, origin: isOurs ? "default" : `${byResolver} LoadBalancer` });
  const connectMs = leg.common.connectTimeoutMs;
  // Consul fills in its own default: who wrote it cannot be told from who did not.
  const isDefault = connectMs === consulConnectTimeoutMs;
  const origin = isDefault ? "default" : `${byResolver} ConnectTimeout`;
  fields.push({ key: "ConnectTimeout", value: formatDuration(connectMs), origin });
  return fields;
}

const consulConnectTimeoutMs = 5_000;

function balancerText(balancer: Balancer): string {
  const hash = "hash" in balancer ? balancer.hash.map(({ from, name }) => `${from} ${name}`) : [];
  return hash.length === 0 ? balancer.kind : `${balancer.kind} by ${hash.join(", ")}`;
}
