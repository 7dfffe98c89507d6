// What stands behind a sidecar: where instances are registered and found, and where chains come from. One of two, by
// FERRY_REGISTRY: this machine's folders, or Consul. Opened by sidecar.ts before anything else. Consul's code is only
// loaded by those who use it.

import { join } from "node:path";
import type { Clock } from "../common/clock.ts";
import type { JsonLog } from "../common/json-log.ts";
import { DirectoryRegistry } from "./discovery/directory/directory-registry.ts";
import type { Registry } from "./discovery/registry.ts";
import type { ManagedChains } from "./routing/chain-source.ts";
import type { DiscoveryChain } from "./routing/discovery-chain.ts";
import { LocalChains } from "./routing/local-chains.ts";
import { problemText } from "./routing/mesh-config/problem.ts";
import type { MeshConfigState } from "./routing/mesh-config/watch-mesh-config.ts";
import type { SidecarSettings } from "./settings.ts";

export interface MeshBackend {
  readonly registry: Registry;
  startChains(options: ChainsOptions): Promise<ManagedChains>;
}

export interface ChainsOptions {
  readonly signal: AbortSignal;
  /** What a gateway adds to the chain of its virtual service. */
  extend(chain: DiscoveryChain, chainOf: (service: string) => DiscoveryChain | undefined): DiscoveryChain;
}

export interface MeshBackendDeps {
  readonly clock: Clock;
  readonly log: JsonLog;
}

/** Rejects with one sentence when Consul is wanted and cannot be had. */
export async function openMeshBackend(settings: SidecarSettings, deps: MeshBackendDeps): Promise<MeshBackend> {
  if (settings.registry === "directory") return directoryBackend(settings, deps);
  const { openConsulBackend } = await import("./consul-backend.ts");
  return openConsulBackend(settings, deps);
}

function directoryBackend(settings: SidecarSettings, { clock, log }: MeshBackendDeps): MeshBackend {
  const registry = new DirectoryRegistry({
    root: join(settings.home, "registry"),
    clock,
    onProblem: (sentence) => log.error(sentence),
  });
  const startChains = ({ signal, extend }: ChainsOptions) =>
    LocalChains.start({
      dir: settings.meshConfig,
      lastGoodFile: join(settings.home, "mesh-config.last-good.json"),
      ...{ clock, signal, extend },
      onState: (state) => reportConfig(log, state),
    });
  return { registry, startChains };
}

function reportConfig(log: JsonLog, { config, rejected }: MeshConfigState): void {
  for (const problem of rejected) log.error(`mesh config refused: ${problemText(problem)}`);
  for (const notice of config.notices) log.info(notice);
  log.info("mesh config in force", { hash: config.hash, entries: config.entries.length });
}
