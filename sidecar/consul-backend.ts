// A sidecar on Consul: registry, chains and one set of watches for both. Loaded by mesh-backend.ts only when it is
// wanted.

import { consulAccess } from "../common/consul-settings.ts";
import { systemRandom } from "../common/random.ts";
import { awaitConsul, startWaitMs } from "./discovery/consul/await-consul.ts";
import { ConsulChains } from "./discovery/consul/consul-chains.ts";
import { ConsulClient } from "./discovery/consul/consul-client.ts";
import { ConsulRegistry } from "./discovery/consul/consul-registry.ts";
import { ConsulWatches } from "./discovery/consul/consul-watches.ts";
import type { MeshBackend, MeshBackendDeps } from "./mesh-backend.ts";
import { checkedChains } from "./routing/checked-chains.ts";
import type { SidecarSettings } from "./settings.ts";

/** Waits for Consul up to a minute; rejects with one sentence. */
export async function openConsulBackend(
  settings: SidecarSettings,
  { clock, log }: MeshBackendDeps,
): Promise<MeshBackend> {
  const client = new ConsulClient(consulAccess(settings), clock);
  const onProblem = (sentence: string) => log.error(sentence);
  const onProgress = (sentence: string) => log.info(sentence);
  const version = await awaitConsul({ client, clock, waitMs: startWaitMs, onProgress });
  log.info(`${client.name} is version ${version}`);
  log.info("calls between sidecars are plaintext: certificates of Consul's CA are not used yet");
  const watches = new ConsulWatches({ client, clock, random: systemRandom, onProblem });
  const registry = new ConsulRegistry({
    ...{ client, watches, clock, onProblem },
    hasGrpcCheck: settings.consulGrpcCheck === "on",
  });
  return {
    registry,
    startChains: async ({ signal, extend }) =>
      checkedChains(new ConsulChains({ watches, signal, extend, onNotice: onProblem }), onProblem),
  };
}
