// Consul's config entries in its own CamelCase, as far as Ferry acts on them (parse-config-entry.ts refuses the rest),
// and the set of them that is in force. Plain data.

import type { HeaderChange, LoadBalancer, RouteDestination, RouteMatch } from "../discovery-chain.ts";

export const kinds = [
  "proxy-defaults",
  "service-defaults",
  "service-router",
  "service-splitter",
  "service-resolver",
  "service-intentions",
] as const;

export type Kind = (typeof kinds)[number];

export interface ProxyDefaults {
  readonly Kind: "proxy-defaults";
  readonly Name: "global";
  /** Open: `protocol` and `ferry_*` are ours to read. */
  readonly Config?: Readonly<Record<string, unknown>>;
  readonly Meta?: Readonly<Record<string, string>>;
}

export interface ServiceDefaults {
  readonly Kind: "service-defaults";
  readonly Name: string;
  readonly Protocol?: string;
  /** Free, but for `ferry_*`. */
  readonly Meta?: Readonly<Record<string, string>>;
}

export interface ServiceRouter {
  readonly Kind: "service-router";
  readonly Name: string;
  readonly Routes?: readonly ServiceRoute[];
  readonly Meta?: Readonly<Record<string, string>>;
}

export interface ServiceRoute {
  readonly Match?: RouteMatch;
  readonly Destination?: RouteDestination;
}

export interface ServiceSplitter {
  readonly Kind: "service-splitter";
  readonly Name: string;
  readonly Splits?: readonly ServiceSplit[];
  readonly Meta?: Readonly<Record<string, string>>;
}

export interface ServiceSplit {
  /** Percent in steps of 0.01; absent is 0. */
  readonly Weight?: number;
  readonly Service?: string;
  readonly ServiceSubset?: string;
  readonly Namespace?: string;
  readonly Partition?: string;
  readonly RequestHeaders?: HeaderChange;
  readonly ResponseHeaders?: HeaderChange;
}

export interface ServiceResolver {
  readonly Kind: "service-resolver";
  readonly Name: string;
  readonly DefaultSubset?: string;
  readonly Subsets?: Readonly<Record<string, { readonly Filter?: string; readonly OnlyPassing?: boolean }>>;
  readonly Redirect?: ResolverTarget;
  /** By subset, or `*` for all others. */
  readonly Failover?: Readonly<Record<string, ResolverTarget & { readonly Targets?: readonly ResolverTarget[] }>>;
  readonly ConnectTimeout?: string;
  readonly RequestTimeout?: string;
  readonly LoadBalancer?: LoadBalancer;
  readonly Meta?: Readonly<Record<string, string>>;
}

export interface ResolverTarget {
  readonly Service?: string;
  readonly ServiceSubset?: string;
  readonly Namespace?: string;
  readonly Partition?: string;
}

/** Kept whole, not enforced yet. */
export interface ServiceIntentions {
  readonly Kind: "service-intentions";
  readonly Name: string;
  readonly Sources?: readonly unknown[];
  readonly JWT?: unknown;
  readonly Meta?: Readonly<Record<string, string>>;
}

export type ConfigEntry =
  | ProxyDefaults
  | ServiceDefaults
  | ServiceRouter
  | ServiceSplitter
  | ServiceResolver
  | ServiceIntentions;

/** The entries by kind and name. */
export interface EntrySet {
  readonly proxyDefaults: ProxyDefaults | undefined;
  readonly serviceDefaults: ReadonlyMap<string, ServiceDefaults>;
  readonly routers: ReadonlyMap<string, ServiceRouter>;
  readonly splitters: ReadonlyMap<string, ServiceSplitter>;
  readonly resolvers: ReadonlyMap<string, ServiceResolver>;
  readonly intentions: ReadonlyMap<string, ServiceIntentions>;
}

export function entrySetOf(entries: readonly ConfigEntry[]): EntrySet {
  const of = <K extends Kind>(kind: K) => {
    const found = entries.filter((entry): entry is Extract<ConfigEntry, { Kind: K }> => entry.Kind === kind);
    return new Map(found.map((entry) => [entry.Name as string, entry]));
  };
  return {
    proxyDefaults: of("proxy-defaults").get("global"),
    serviceDefaults: of("service-defaults"),
    routers: of("service-router"),
    splitters: of("service-splitter"),
    resolvers: of("service-resolver"),
    intentions: of("service-intentions"),
  };
}

/** The place of an entry in a mesh-config directory, as problems name it. */
export function fileOf(kind: Kind, name: string): string {
  return `${kind}/${name}.json`;
}
