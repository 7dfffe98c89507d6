// The registry that the sidecars use, for looking at it: the folder in FERRY_HOME, or Consul by FERRY_REGISTRY, whose
// code is only loaded then.

import { systemClock } from "../../common/clock.ts";
import { type ConsulAccess, consulAccess } from "../../common/consul-settings.ts";
import { systemRandom } from "../../common/random.ts";
import type { ConsulWatches } from "../../sidecar/discovery/consul/consul-watches.ts";
import { DirectoryRegistry } from "../../sidecar/discovery/directory/directory-registry.ts";
import type { Registry } from "../../sidecar/discovery/registry.ts";
import { CommandError, reasonOf } from "../exit.ts";
import { type CliSettings, readCliSettings } from "../settings.ts";
import { registryOf } from "../supervise/home.ts";

export interface OpenRegistry {
  readonly registry: Registry;
  /** As `consul at 127.0.0.1:8500`. */
  readonly name: string;
  /** What chains are read by; undefined for the folder, whose chains come from files. */
  readonly watches: ConsulWatches | undefined;
}

/** `home` is absolute. `onProblem` is told one sentence when Consul does not answer or refuses a watch. */
export async function openRegistry(
  home: string,
  onProblem: (sentence: string) => void = () => {},
): Promise<OpenRegistry> {
  const settings = readCliSettings(home);
  const root = registryOf(home);
  if (settings.registry === "directory") {
    return { registry: new DirectoryRegistry({ root }), name: `directory ${root}`, watches: undefined };
  }
  const { ConsulClient } = await import("../../sidecar/discovery/consul/consul-client.ts");
  const { ConsulRegistry } = await import("../../sidecar/discovery/consul/consul-registry.ts");
  const { ConsulWatches } = await import("../../sidecar/discovery/consul/consul-watches.ts");
  const clock = systemClock;
  const client = new ConsulClient(accessOf(settings), clock);
  const watches = new ConsulWatches({ client, clock, random: systemRandom, onProblem });
  return { registry: new ConsulRegistry({ client, watches, clock, onProblem }), name: client.name, watches };
}

function accessOf(settings: CliSettings): ConsulAccess {
  try {
    return consulAccess(settings);
  } catch (error) {
    throw new CommandError(reasonOf(error));
  }
}
