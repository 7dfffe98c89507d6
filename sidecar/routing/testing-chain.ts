// The chain and snapshot that tests and the bench of this folder route by: the quoter's edge, in the shape that Consul
// compiles. Not used by the sidecar.

import type { Endpoint } from "../discovery/registry.ts";
import { compileSnapshot } from "./compile-snapshot.ts";
import type { DiscoveryChain } from "./discovery-chain.ts";
import type { MethodTraits, Snapshot } from "./snapshot.ts";

const split = (service: string, subset: string, weight: number) => ({
  Definition: { Weight: weight, ServiceSubset: subset },
  Weight: weight,
  NextNode: `resolver:${subset}.${service}.default.default.dc1`,
});

const resolver = (id: string) => ({
  Type: "resolver" as const,
  Name: id,
  Resolver: { ConnectTimeout: "5s", Target: id },
});

const target = (service: string, subset: string) => ({
  ID: subset === "" ? `${service}.default.default.dc1` : `${subset}.${service}.default.default.dc1`,
  Service: service,
  ...(subset === "" ? {} : { ServiceSubset: subset, Subset: { Filter: `Service.Meta.version == ${subset}` } }),
});

/** `/quoter.query.v1.` 90/10 on v1 and v2, mobiles and `/quoter.query.v2.` on v2, commands to quote-command. */
export const quoterChain: DiscoveryChain = {
  ServiceName: "quoter",
  Protocol: "grpc",
  StartNode: "router:quoter.default.default",
  Nodes: {
    "router:quoter.default.default": {
      Type: "router",
      Name: "quoter.default.default",
      Routes: [
        {
          Definition: { Match: { HTTP: { PathPrefix: "/quoter.command." } } },
          NextNode: "resolver:quote-command.default.default.dc1",
        },
        {
          Definition: { Match: { HTTP: { PathPrefix: "/quoter.query.v2." } } },
          NextNode: "resolver:v2.quote-query.default.default.dc1",
        },
        {
          Definition: {
            Match: { HTTP: { PathPrefix: "/quoter.query.v1.", Header: [{ Name: "x-device", Exact: "mobile" }] } },
          },
          NextNode: "resolver:v2.quote-query.default.default.dc1",
        },
        {
          Definition: { Match: { HTTP: { PathPrefix: "/quoter.query.v1." } } },
          NextNode: "splitter:quote-query.default.default",
        },
      ],
    },
    "splitter:quote-query.default.default": {
      Type: "splitter",
      Name: "quote-query.default.default",
      Splits: [split("quote-query", "v1", 90), split("quote-query", "v2", 10)],
    },
    "resolver:quote-command.default.default.dc1": resolver("quote-command.default.default.dc1"),
    "resolver:v1.quote-query.default.default.dc1": resolver("v1.quote-query.default.default.dc1"),
    "resolver:v2.quote-query.default.default.dc1": resolver("v2.quote-query.default.default.dc1"),
  },
  Targets: {
    "quote-command.default.default.dc1": target("quote-command", ""),
    "v1.quote-query.default.default.dc1": target("quote-query", "v1"),
    "v2.quote-query.default.default.dc1": target("quote-query", "v2"),
  },
};

export function endpointOf(id: string, version: string, overrides: Partial<Endpoint> = {}): Endpoint {
  const service = id.replace(/-\d+$/, "");
  const port = 21_000 + Number(id.replace(/^.*-/, ""));
  const meta = { version };
  return { id, service, version, host: "127.0.0.1", port, weight: 1, health: "passing", meta, ...overrides };
}

export const quoterMethods: Readonly<Record<string, MethodTraits>> = {
  "/quoter.query.v1.QuoteQueryService/GetQuote": { kind: "unary", idempotent: true },
  "/quoter.query.v1.QuoteQueryService/WatchQuotes": { kind: "server_streaming", idempotent: true },
  "/quoter.command.v1.QuoteCommandService/SubmitQuote": { kind: "unary", idempotent: true },
};

/** The quoter's edge with two commands, two v1 and one v2. */
export function quoterSnapshot(overrides: Partial<Parameters<typeof compileSnapshot>[0]> = {}): Snapshot {
  const queries = [
    endpointOf("quote-query-1", "v1"),
    endpointOf("quote-query-2", "v1"),
    endpointOf("quote-query-3", "v2"),
  ];
  const commands = [endpointOf("quote-command-4", "v1"), endpointOf("quote-command-5", "v1")];
  return compileSnapshot({
    upstream: "quoter",
    revision: 1,
    chain: quoterChain,
    instances: new Map([
      ["quote-query", queries],
      ["quote-command", commands],
    ]),
    methods: quoterMethods,
    ...overrides,
  });
}
