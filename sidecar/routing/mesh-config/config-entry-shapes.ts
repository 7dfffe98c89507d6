// Which fields each kind of config entry may have and what may stand in them: a table in code. A field that Consul
// knows and Ferry does not act on yet is `unsupported`, so that nothing written is silently without effect. Read by
// parse-config-entry.ts. Field names and meanings: Consul's own documentation of config entries.

import { retryOnWords } from "../../grpc/retry-on.ts";
import type { HeaderChange, HeaderMatch, RouteDestination } from "../discovery-chain.ts";
import type {
  ConfigEntry,
  Kind,
  ProxyDefaults,
  ResolverTarget,
  ServiceDefaults,
  ServiceIntentions,
  ServiceResolver,
  ServiceRoute,
  ServiceRouter,
  ServiceSplit,
  ServiceSplitter,
} from "./config-entry.ts";
import { loadBalancer } from "./load-balancer-shape.ts";
import {
  anything,
  duration,
  flag,
  integer,
  list,
  mapOf,
  number,
  object,
  oneOf,
  type Shape,
  text,
  textLike,
  unsupported,
} from "./shape.ts";

/** What Consul adds when it gives an entry back; read and dropped. */
interface Added {
  readonly CreateIndex?: unknown;
  readonly ModifyIndex?: unknown;
  readonly Hash?: unknown;
  readonly Namespace?: string;
  readonly Partition?: string;
}

const anyKey = /^[\s\S]+$/;
const texts: Shape<Readonly<Record<string, string>>> = mapOf(anyKey, "a name", text);
/** Only the open-source Consul's one namespace and partition. */
const onlyDefault = oneOf("default", "");
const serviceName = textLike(/^[a-z0-9][a-z0-9._-]{0,62}$/, "a service name: 1-63 of a-z, 0-9, '.', '_', '-'");
/** Empty means "not set". */
const optionalService = textLike(/^$|^[a-z0-9][a-z0-9._-]{0,62}$/, "a service name: 1-63 of a-z, 0-9, '.', '_', '-'");
const subsetPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const subsetExpected = "a subset name: 1-63 of a-z, 0-9 and '-', not at the ends";
const optionalSubset = textLike(/^$|^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, subsetExpected);

const added = {
  CreateIndex: (() => undefined) as Shape<unknown>,
  ModifyIndex: (() => undefined) as Shape<unknown>,
  Hash: (() => undefined) as Shape<unknown>,
  Namespace: onlyDefault,
  Partition: onlyDefault,
};

const headerChange = object<HeaderChange>({ Add: texts, Set: texts, Remove: list(text) });

const headerMatch = object<HeaderMatch>(
  { Name: text, Present: flag, Exact: text, Prefix: text, Suffix: text, Regex: text, Invert: flag },
  ["Name"],
);

const routeDestination = object<RouteDestination & { PrefixRewrite?: never; IdleTimeout?: never }>({
  Service: optionalService,
  ServiceSubset: optionalSubset,
  Namespace: onlyDefault,
  Partition: onlyDefault,
  RequestTimeout: duration(true),
  NumRetries: integer(0, 10),
  // What never reached an instance is always tried again, so this is honoured whether it is set or not.
  RetryOnConnectFailure: flag,
  RequestHeaders: headerChange,
  ResponseHeaders: headerChange,
  PrefixRewrite: unsupported(),
  IdleTimeout: unsupported(),
  RetryOn: list(oneOf(...retryOnWords.keys())),
  RetryOnStatusCodes: list(integer(300, 599)),
});

const route = object<ServiceRoute>({
  Match: object<NonNullable<ServiceRoute["Match"]>>({
    HTTP: object({
      PathExact: text,
      PathPrefix: text,
      PathRegex: text,
      CaseInsensitive: flag,
      Header: list(headerMatch),
      Methods: list(textLike(/^[A-Za-z]+$/, "an HTTP method; for gRPC it is always POST")),
      // A gRPC path has no query.
      QueryParam: unsupported(),
    }),
  }),
  Destination: routeDestination,
});

const split = object<ServiceSplit>({
  Weight: number(0, 100),
  Service: optionalService,
  ServiceSubset: optionalSubset,
  Namespace: onlyDefault,
  Partition: onlyDefault,
  RequestHeaders: headerChange,
  ResponseHeaders: headerChange,
});

/** What leads to other datacenters and peers is out of reach of the directory registry. */
const target = {
  Service: optionalService,
  ServiceSubset: optionalSubset,
  Namespace: onlyDefault,
  Partition: onlyDefault,
  Datacenter: unsupported<never>(),
  Peer: unsupported<never>(),
  SamenessGroup: unsupported<never>(),
};
type Elsewhere = { Datacenter?: never; Peer?: never; SamenessGroup?: never };

const failover = object<
  NonNullable<ServiceResolver["Failover"]>[string] & { Datacenters?: never; Policy?: never } & Elsewhere
>({
  ...target,
  Targets: list(object<ResolverTarget & Elsewhere>(target)),
  Datacenters: unsupported(),
  Policy: unsupported(),
});

const nothingElse = {
  MeshGateway: unsupported<never>(),
  Expose: unsupported<never>(),
  Mode: unsupported<never>(),
  TransparentProxy: unsupported<never>(),
  MutualTLSMode: unsupported<never>(),
  EnvoyExtensions: unsupported<never>(),
};
type NothingElse = { [K in keyof typeof nothingElse]?: never };

export const entryShapes: { readonly [K in Kind]: Shape<Extract<ConfigEntry, { Kind: K }>> } = {
  "proxy-defaults": object<
    ProxyDefaults & Added & NothingElse & { AccessLogs?: never; FailoverPolicy?: never; PrioritizeByLocality?: never }
  >(
    {
      ...added,
      ...nothingElse,
      Kind: oneOf("proxy-defaults"),
      Name: oneOf("global"),
      Config: mapOf(anyKey, "a name", anything),
      Meta: texts,
      AccessLogs: unsupported(),
      FailoverPolicy: unsupported(),
      PrioritizeByLocality: unsupported(),
    },
    ["Kind", "Name"],
  ),
  "service-defaults": object<
    ServiceDefaults &
      Added &
      NothingElse & {
        ExternalSNI?: never;
        UpstreamConfig?: never;
        Destination?: never;
        MaxInboundConnections?: never;
        LocalConnectTimeoutMs?: never;
        LocalRequestTimeoutMs?: never;
        BalanceInboundConnections?: never;
        RateLimits?: never;
      }
  >(
    {
      ...added,
      ...nothingElse,
      Kind: oneOf("service-defaults"),
      Name: serviceName,
      Protocol: oneOf("grpc", "http2", "http", "tcp"),
      Meta: texts,
      ExternalSNI: unsupported(),
      UpstreamConfig: unsupported(),
      Destination: unsupported(),
      MaxInboundConnections: unsupported(),
      LocalConnectTimeoutMs: unsupported(),
      LocalRequestTimeoutMs: unsupported(),
      BalanceInboundConnections: unsupported(),
      RateLimits: unsupported(),
    },
    ["Kind", "Name"],
  ),
  "service-router": object<ServiceRouter & Added>(
    { ...added, Kind: oneOf("service-router"), Name: serviceName, Routes: list(route), Meta: texts },
    ["Kind", "Name"],
  ),
  "service-splitter": object<ServiceSplitter & Added>(
    { ...added, Kind: oneOf("service-splitter"), Name: serviceName, Splits: list(split), Meta: texts },
    ["Kind", "Name", "Splits"],
  ),
  "service-resolver": object<ServiceResolver & Added & { PrioritizeByLocality?: never }>(
    {
      ...added,
      Kind: oneOf("service-resolver"),
      Name: serviceName,
      DefaultSubset: optionalSubset,
      Subsets: mapOf(subsetPattern, subsetExpected, object({ Filter: text, OnlyPassing: flag })),
      Redirect: object<ResolverTarget & Elsewhere>(target),
      Failover: mapOf(/^(\*|[a-z0-9-]+)$/, 'a subset name or "*"', failover),
      ConnectTimeout: duration(false),
      RequestTimeout: duration(true),
      LoadBalancer: loadBalancer,
      PrioritizeByLocality: unsupported(),
      Meta: texts,
    },
    ["Kind", "Name"],
  ),
  "service-intentions": object<ServiceIntentions & Added>(
    {
      ...added,
      Kind: oneOf("service-intentions"),
      Name: textLike(/^(\*|[a-z0-9][a-z0-9._-]{0,62})$/, 'a service name or "*"'),
      Sources: list(intentionSource()),
      JWT: anything,
      Meta: texts,
    },
    ["Kind", "Name"],
  ),
};

function intentionSource(): Shape<unknown> {
  const action = oneOf("allow", "deny");
  const header = object<HeaderMatch & { Contains?: string; IgnoreCase?: boolean }>(
    {
      ...{ Name: text, Present: flag, Exact: text, Prefix: text, Suffix: text, Regex: text, Invert: flag },
      ...{ Contains: text, IgnoreCase: flag },
    },
    ["Name"],
  );
  const http = object({
    ...{ PathExact: text, PathPrefix: text, PathRegex: text, Methods: list(text), Header: list(header) },
  });
  const permission = object<{ Action?: string; HTTP?: object; JWT?: unknown }>(
    { Action: action, HTTP: http, JWT: anything },
    ["Action", "HTTP"],
  );
  return object<Readonly<Record<string, unknown>> & { Name?: string }>(
    {
      ...{ Name: text, Namespace: onlyDefault, Partition: onlyDefault, Peer: text, SamenessGroup: text },
      ...{ Action: action, Permissions: list(permission), Description: text, Type: oneOf("consul") },
      ...{
        Precedence: number(0, 9),
        LegacyID: text,
        LegacyMeta: texts,
        LegacyCreateTime: text,
        LegacyUpdateTime: text,
      },
    },
    ["Name"],
  );
}
