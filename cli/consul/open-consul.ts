// What `apply` and `diff` begin with: the files, checked as a sidecar would, and a Consul that answers.

import { systemClock } from "../../common/clock.ts";
import { consulAccess } from "../../common/consul-settings.ts";
import { awaitConsul } from "../../sidecar/discovery/consul/await-consul.ts";
import { ConsulClient } from "../../sidecar/discovery/consul/consul-client.ts";
import type { ConfigEntry } from "../../sidecar/routing/mesh-config/config-entry.ts";
import { type Problem, problemText } from "../../sidecar/routing/mesh-config/problem.ts";
import { readMeshConfig } from "../../sidecar/routing/mesh-config/read-mesh-config.ts";
import type { Console } from "../console.ts";
import { CommandError, reasonOf } from "../exit.ts";
import { readCliSettings } from "../settings.ts";
import { findMeshConfig } from "../supervise/mesh-config-dir.ts";

/** A one-shot container starts together with the server that it writes to. */
const waitMs = 30_000;

export interface ReadForConsul {
  readonly directory: string;
  readonly entries: readonly ConfigEntry[];
  /** Empty: the entries can be written. */
  readonly problems: readonly Problem[];
}

export async function readForConsul(dir: string | undefined, homeOption: string | undefined): Promise<ReadForConsul> {
  const { home, meshConfig } = readCliSettings(homeOption);
  const directory = findMeshConfig({ option: dir, optionName: "dir", setting: meshConfig, home });
  const read = await readMeshConfig(directory);
  if (!read.ok) return { directory, entries: [], problems: read.problems };
  return { directory, entries: read.config.entries, problems: [] };
}

/** Waits for it up to 30 s; throws a CommandError with what to do. */
export async function openConsul(
  homeOption: string | undefined,
  onProgress: (line: string) => void,
): Promise<ConsulClient> {
  const settings = readCliSettings(homeOption);
  let client: ConsulClient | undefined;
  try {
    client = new ConsulClient(consulAccess(settings), systemClock);
    await awaitConsul({ client, clock: systemClock, waitMs, onProgress });
    return client;
  } catch (error) {
    client?.close();
    throw new CommandError(reasonOf(error));
  }
}

export function showProblems(out: Console, problems: readonly Problem[]): void {
  for (const problem of problems) out.warn(`ferry: ${problemText(problem)}`);
}
