// The registry that the sidecars use, for looking at it: the folder in FERRY_HOME, or Consul by FERRY_REGISTRY, whose
// code is only loaded then.

import { systemClock } from "../../common/clock.ts";
import { consulAccess } from "../../common/consul-settings.ts";
import { systemRandom } from "../../common/random.ts";
import { DirectoryRegistry } from "../../sidecar/discovery/directory/directory-registry.ts";
import type { Registry } from "../../sidecar/discovery/registry.ts";
import { readCliSettings } from "../settings.ts";
import { registryOf } from "../supervise/home.ts";

/** `home` is absolute. */
export async function openRegistry(home: string): Promise<Registry> {
  const settings = readCliSettings(home);
  if (settings.registry === "directory") return new DirectoryRegistry({ root: registryOf(home) });
  const { ConsulClient } = await import("../../sidecar/discovery/consul/consul-client.ts");
  const { ConsulRegistry } = await import("../../sidecar/discovery/consul/consul-registry.ts");
  const { ConsulWatches } = await import("../../sidecar/discovery/consul/consul-watches.ts");
  const clock = systemClock;
  const client = new ConsulClient(consulAccess(settings), clock);
  const onProblem = () => {};
  const watches = new ConsulWatches({ client, clock, random: systemRandom, onProblem });
  return new ConsulRegistry({ client, watches, clock, onProblem });
}
