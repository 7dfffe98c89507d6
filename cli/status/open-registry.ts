// The registry that the sidecars use, for looking at it: the folder in FERRY_HOME, or Consul by FERRY_REGISTRY, whose
// code is only loaded then.

import { systemClock } from "../../common/clock.ts";
import { type ConsulAccess, consulAccess } from "../../common/consul-settings.ts";
import { systemRandom } from "../../common/random.ts";
import { DirectoryRegistry } from "../../sidecar/discovery/directory/directory-registry.ts";
import type { Registry } from "../../sidecar/discovery/registry.ts";
import { CommandError, reasonOf } from "../exit.ts";
import { type CliSettings, readCliSettings } from "../settings.ts";
import { registryOf } from "../supervise/home.ts";

export interface OpenRegistry {
  readonly registry: Registry;
  /** As `consul at 127.0.0.1:8500`. */
  readonly name: string;
}

/** `home` is absolute. */
export async function openRegistry(home: string): Promise<OpenRegistry> {
  const settings = readCliSettings(home);
  const root = registryOf(home);
  if (settings.registry === "directory")
    return { registry: new DirectoryRegistry({ root }), name: `directory ${root}` };
  const { ConsulClient } = await import("../../sidecar/discovery/consul/consul-client.ts");
  const { ConsulRegistry } = await import("../../sidecar/discovery/consul/consul-registry.ts");
  const { ConsulWatches } = await import("../../sidecar/discovery/consul/consul-watches.ts");
  const clock = systemClock;
  const client = new ConsulClient(accessOf(settings), clock);
  const onProblem = () => {};
  const watches = new ConsulWatches({ client, clock, random: systemRandom, onProblem });
  return { registry: new ConsulRegistry({ client, watches, clock, onProblem }), name: client.name };
}

function accessOf(settings: CliSettings): ConsulAccess {
  try {
    return consulAccess(settings);
  } catch (error) {
    throw new CommandError(reasonOf(error));
  }
}
