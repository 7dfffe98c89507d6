// Puts together what is known of one upstream: its chain, the instances of the services that the chain leads to, its
// methods and our own settings. Called by the control part after any of these changed; pure. The registry's answer is
// divided among the chain's targets by their subset filters, with Consul too.

import type { Endpoint } from "../discovery/registry.ts";
import { compileFilter } from "./bexpr.ts";
import type { ChainTarget, DiscoveryChain } from "./discovery-chain.ts";
import { readPolicy, type SettingLayer } from "./mesh-config/ferry-settings.ts";
import type { ServicePolicy } from "./policy/call-policy.ts";
import { servicesOf } from "./route-leg.ts";
import type { MethodTraits, Snapshot } from "./snapshot.ts";

export interface SnapshotInput {
  readonly upstream: string;
  readonly revision: number;
  readonly chain: DiscoveryChain;
  /** By service: what the registry told, healthy or not. */
  readonly instances: ReadonlyMap<string, readonly Endpoint[]>;
  readonly methods: Readonly<Record<string, MethodTraits>>;
  /** proxy-defaults.Config; only its `ferry_*` keys are read. */
  readonly globalConfig?: Readonly<Record<string, unknown>> | undefined;
  /** service-defaults.Meta by service; only `ferry_*` keys are read. */
  readonly serviceMeta?: ReadonlyMap<string, Readonly<Record<string, string>>> | undefined;
}

export function compileSnapshot(input: SnapshotInput): Snapshot {
  const { upstream, revision, chain, methods } = input;
  const endpoints: Record<string, readonly Endpoint[]> = {};
  for (const [id, target] of Object.entries(chain.Targets)) {
    endpoints[id] = (input.instances.get(target.Service) ?? []).filter(subsetTest(target));
  }
  const policies: Record<string, ServicePolicy> = {};
  for (const service of servicesOf(chain)) policies[service] = servicePolicy(input, service);
  return { upstream, revision, chain, endpoints, methods, policies };
}

/**
 * The policy of a service that the chain leads to, or of the chain's own. The nearest to the owner wins: default <
 * global < the entry point's service < the service that is called.
 */
export function servicePolicy(
  { chain, globalConfig = {}, serviceMeta }: Pick<SnapshotInput, "chain" | "globalConfig" | "serviceMeta">,
  service: string,
): ServicePolicy {
  const isEntry = chain.ServiceName === service;
  // Consul tells a chain's own Meta with the chain, and that of all services only where a chain leads elsewhere.
  const own = serviceMeta?.get(service) ?? (isEntry ? chain.ServiceMeta : undefined) ?? {};
  const entry = isEntry ? {} : callersKeys(chain.ServiceMeta ?? {});
  const layers: SettingLayer[] = [
    { origin: "proxy-defaults global Config", values: globalConfig },
    { origin: `service-defaults ${chain.ServiceName} Meta`, values: entry },
    { origin: `service-defaults ${service} Meta`, values: own },
  ];
  return readPolicy(layers).policy;
}

/**
 * Without what the called service's own sidecar reads: it does not know by which entry point a call came, so the entry
 * point has no say in it.
 */
function callersKeys(meta: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith("ferry_inbound_")));
}

/** A filter that is not valid matches nobody: traffic for one subset never leaks to another. */
function subsetTest(target: ChainTarget): (endpoint: Endpoint) => boolean {
  const filter = target.Subset?.Filter ?? "";
  if (filter === "") return () => true;
  const compiled = compileFilter(filter);
  return compiled.ok ? compiled.test : () => false;
}
