// What a sidecar or gateway would route one upstream by, looked at once: its chain with our own settings, and the
// instances of every service that the chain leads to. From the folder and the files, or from Consul; by the same code
// that sidecars use. Called by `ferry route`.

import { type Clock, systemClock } from "../../common/clock.ts";
import { nearestName } from "../../common/nearest-name.ts";
import type { ConsulWatches } from "../../sidecar/discovery/consul/consul-watches.ts";
import type { Endpoint, Registry } from "../../sidecar/discovery/registry.ts";
import type { ChainView } from "../../sidecar/routing/chain-source.ts";
import type { DiscoveryChain } from "../../sidecar/routing/discovery-chain.ts";
import { addEdgeRoutes } from "../../sidecar/routing/edge-routes.ts";
import { compileChain } from "../../sidecar/routing/local-compiler.ts";
import { globalConfigOf, type MeshConfig, serviceMetaOf } from "../../sidecar/routing/mesh-config/mesh-config.ts";
import { problemText } from "../../sidecar/routing/mesh-config/problem.ts";
import { readMeshConfig } from "../../sidecar/routing/mesh-config/read-mesh-config.ts";
import { servicesOf } from "../../sidecar/routing/route-leg.ts";
import { CommandError } from "../exit.ts";
import { openRegistry } from "../status/open-registry.ts";
import { firstOf } from "./first-of.ts";

/** The virtual service whose router the gateway of `ferry up` follows. */
export const entryPoint = "quoter";

export interface MeshQuestion {
  /** Absolute. */
  readonly home: string;
  /** Where the entries are when the registry is a folder. */
  readonly meshConfig: () => string;
  readonly upstream: string;
}

export interface MeshPicture {
  readonly view: ChainView;
  /** By service, healthy or not. */
  readonly instances: ReadonlyMap<string, readonly Endpoint[]>;
  /** As `directory /home/me/.ferry/registry`. */
  readonly registry: string;
  /** Where the entries stand, as `/home/me/mesh-config (hash 0123456789abcdef)` or `consul at 127.0.0.1:8500`. */
  readonly config: string;
}

type Extend = (chain: DiscoveryChain, chainOf: (service: string) => DiscoveryChain | undefined) => DiscoveryChain;

/** Rejects with a CommandError when the files have mistakes, Consul does not answer or nothing is known of it. */
export async function readMesh({ home, meshConfig, upstream }: MeshQuestion): Promise<MeshPicture> {
  const clock = systemClock;
  const problems: string[] = [];
  const trouble = () => problems.at(-1) ?? "";
  const { registry, name, watches } = await openRegistry(home, (sentence) => problems.push(sentence));
  try {
    const watchServices = registry.watchServices.bind(registry);
    const services = await firstOf(clock, { what: "the services that are registered", watch: watchServices, trouble });
    // As the gateway: routes for what is registered stand behind those of the entry point's own router.
    const extend: Extend = (chain, chainOf) =>
      chain.ServiceName === entryPoint ? addEdgeRoutes({ chain, services, chainOf }) : chain;
    const { view, config } =
      watches === undefined
        ? await viewOfFiles(meshConfig(), upstream, extend)
        : { view: await viewOfConsul({ watches, upstream, extend, clock, trouble }), config: name };
    const instances = await instancesOf(registry, servicesOf(view.chain), { clock, trouble });
    const isNobodys = view.chain.Default === true && view.chain.Nodes[view.chain.StartNode]?.Type === "resolver";
    if (isNobodys && !services.has(upstream)) {
      const near = nearestName(upstream, [entryPoint, ...services.keys()]);
      const hint = near === undefined ? "" : `; did you mean ${near}?`;
      throw new CommandError(`nothing is known of ${upstream}: no entry names it and no instance is registered${hint}`);
    }
    return { view, instances, registry: name, config };
  } finally {
    await registry.close();
    watches?.close();
  }
}

async function viewOfFiles(
  directory: string,
  upstream: string,
  extend: Extend,
): Promise<{ readonly view: ChainView; readonly config: string }> {
  const read = await readMeshConfig(directory);
  if (!read.ok) {
    const [first] = read.problems;
    const more = read.problems.length === 1 ? "" : ` (and ${read.problems.length - 1} more: ferry check)`;
    throw new CommandError(`${directory} is not in force as it is: ${problemText(first!)}${more}`);
  }
  const { config } = read;
  const chain = chainOfSet(config, upstream);
  if (chain === undefined) throw new CommandError(`${directory}: there is no chain for ${upstream}`);
  const view = {
    chain: extend(chain, (service) => chainOfSet(config, service)),
    globalConfig: globalConfigOf(config),
    serviceMeta: serviceMetaOf(config),
  };
  return { view, config: `${directory} (hash ${config.hash})` };
}

function chainOfSet({ set }: MeshConfig, service: string): DiscoveryChain | undefined {
  const compiled = compileChain(set, service);
  return compiled.ok ? compiled.chain : undefined;
}

interface ConsulQuestion {
  readonly watches: ConsulWatches;
  readonly upstream: string;
  readonly extend: Extend;
  readonly clock: Clock;
  trouble(): string;
}

async function viewOfConsul({ watches, upstream, extend, clock, trouble }: ConsulQuestion): Promise<ChainView> {
  const { ConsulChains } = await import("../../sidecar/discovery/consul/consul-chains.ts");
  const abort = new AbortController();
  const asked = new Set<string>();
  const chains = new ConsulChains({
    watches,
    signal: abort.signal,
    // A gateway's first chain may lack what Consul has not told yet: the look waits until each has been told once.
    extend: (chain, chainOf) => {
      asked.clear();
      return extend(chain, (service) => {
        const found = chainOf(service);
        if (found === undefined) asked.add(service);
        return found;
      });
    },
    onNotice: () => {},
  });
  try {
    return await firstOf<ChainView>(clock, {
      what: `the chain of ${upstream}`,
      watch: (onChange, signal) => chains.watchChain(upstream, (view) => asked.size === 0 && onChange(view), signal),
      trouble,
    });
  } finally {
    abort.abort();
  }
}

async function instancesOf(
  registry: Registry,
  services: readonly string[],
  { clock, trouble }: { readonly clock: Clock; readonly trouble: () => string },
): Promise<ReadonlyMap<string, readonly Endpoint[]>> {
  const all = services.map(async (service) => {
    const watch = (onChange: (endpoints: readonly Endpoint[]) => void, signal: AbortSignal) =>
      registry.watchService(service, onChange, signal);
    return [service, await firstOf(clock, { what: `the instances of ${service}`, watch, trouble })] as const;
  });
  return new Map(await Promise.all(all));
}
