// The compiled discovery chain in Consul's own shape and CamelCase, as `/v1/discovery-chain/:service` returns it
// (fields that we do not use are left out). With Consul it is walked as it came; in directory mode local-compiler.ts
// makes one from mesh-config/. Plain data; node keys are opaque.

export interface DiscoveryChain {
  readonly ServiceName: string;
  readonly Namespace?: string;
  readonly Partition?: string;
  readonly Datacenter?: string;
  /** No router, splitter or resolver applies: one resolver node, everything by default. */
  readonly Default?: boolean;
  readonly Protocol: string;
  readonly StartNode: string;
  readonly Nodes: Readonly<Record<string, ChainNode>>;
  readonly Targets: Readonly<Record<string, ChainTarget>>;
  /** service-defaults `Meta` of the chain's service: where a team's own `ferry_*` settings arrive. */
  readonly ServiceMeta?: Readonly<Record<string, string>>;
}

export type ChainNode = RouterNode | SplitterNode | ResolverNode;

export interface RouterNode {
  readonly Type: "router";
  readonly Name: string;
  /** First match wins. */
  readonly Routes: readonly ChainRoute[];
}

export interface ChainRoute {
  readonly Definition?: { readonly Match?: RouteMatch; readonly Destination?: RouteDestination };
  readonly NextNode: string;
}

/** All conditions must hold; none: everything matches. */
export interface RouteMatch {
  readonly HTTP?: {
    readonly PathExact?: string;
    readonly PathPrefix?: string;
    readonly PathRegex?: string;
    /** Of the path only. */
    readonly CaseInsensitive?: boolean;
    readonly Header?: readonly HeaderMatch[];
    readonly Methods?: readonly string[];
  };
}

export interface HeaderMatch {
  readonly Name: string;
  readonly Present?: boolean;
  readonly Exact?: string;
  readonly Prefix?: string;
  readonly Suffix?: string;
  readonly Regex?: string;
  readonly Invert?: boolean;
}

export interface RouteDestination {
  readonly Service?: string;
  readonly ServiceSubset?: string;
  readonly Namespace?: string;
  readonly Partition?: string;
  /** Duration as `2s`, or integer nanoseconds as Consul sometimes returns it. */
  readonly RequestTimeout?: string | number;
  readonly NumRetries?: number;
  readonly RetryOnConnectFailure?: boolean;
  readonly RetryOn?: readonly string[];
  readonly RetryOnStatusCodes?: readonly number[];
  readonly RequestHeaders?: HeaderChange;
  readonly ResponseHeaders?: HeaderChange;
}

export interface HeaderChange {
  readonly Add?: Readonly<Record<string, string>>;
  readonly Set?: Readonly<Record<string, string>>;
  readonly Remove?: readonly string[];
}

export interface SplitterNode {
  readonly Type: "splitter";
  readonly Name: string;
  readonly Splits: readonly ChainSplit[];
}

export interface ChainSplit {
  readonly Definition?: {
    readonly Weight?: number;
    readonly Service?: string;
    readonly ServiceSubset?: string;
    readonly RequestHeaders?: HeaderChange;
    readonly ResponseHeaders?: HeaderChange;
  };
  /** Percent, two decimals; absent means 0. */
  readonly Weight?: number;
  readonly NextNode: string;
}

export interface ResolverNode {
  readonly Type: "resolver";
  readonly Name: string;
  readonly Resolver: {
    readonly Default?: boolean;
    readonly ConnectTimeout?: string | number;
    readonly RequestTimeout?: string | number;
    readonly Target: string;
    readonly Failover?: { readonly Targets: readonly string[] };
  };
  readonly LoadBalancer?: LoadBalancer;
}

/** How a resolver's endpoints share its calls. routing/policy/balance-policy.ts reads it. */
export interface LoadBalancer {
  readonly Policy?: string;
  readonly LeastRequestConfig?: { readonly ChoiceCount?: number };
  readonly RingHashConfig?: { readonly MinimumRingSize?: number; readonly MaximumRingSize?: number };
  /** In order of preference; only with ring_hash and maglev. */
  readonly HashPolicies?: readonly HashPolicy[];
}

/** Where a part of the hash comes from: a field of the request, or the caller's address. */
export interface HashPolicy {
  readonly Field?: string;
  readonly FieldValue?: string;
  readonly CookieConfig?: { readonly Session?: boolean; readonly TTL?: string | number; readonly Path?: string };
  readonly SourceIP?: boolean;
  /** What follows is not looked at when this one gave a hash. */
  readonly Terminal?: boolean;
}

export interface ChainTarget {
  readonly ID: string;
  readonly Service: string;
  readonly ServiceSubset?: string;
  readonly Namespace?: string;
  readonly Partition?: string;
  readonly Datacenter?: string;
  readonly SNI?: string;
  readonly Name?: string;
  readonly Subset?: { readonly Filter?: string; readonly OnlyPassing?: boolean };
  readonly ConnectTimeout?: string | number;
}
