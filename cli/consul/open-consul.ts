// What `apply` and `diff` share: the files, checked as a sidecar would, a Consul that answers, and how problems look.

import { systemClock } from "../../common/clock.ts";
import { consulAccess } from "../../common/consul-settings.ts";
import { parseDurationMs } from "../../common/settings.ts";
import { awaitConsul } from "../../sidecar/discovery/consul/await-consul.ts";
import { ConsulClient } from "../../sidecar/discovery/consul/consul-client.ts";
import type { ConfigEntry } from "../../sidecar/routing/mesh-config/config-entry.ts";
import { type Problem, problemText } from "../../sidecar/routing/mesh-config/problem.ts";
import { readMeshConfig } from "../../sidecar/routing/mesh-config/read-mesh-config.ts";
import type { Console } from "../console.ts";
import { CommandError, reasonOf, UsageError } from "../exit.ts";
import { readCliSettings } from "../settings.ts";
import { findMeshConfig } from "../supervise/mesh-config-dir.ts";

/** What the commands wait for Consul: a one-shot container starts together with the server that it writes to. */
export const defaultWait = "30s";

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

export interface ConsulOptions {
  /** `--home`. */
  readonly home?: string;
  /** `--wait`: how long a Consul that does not answer is waited for, as `30s`. */
  readonly wait: string;
}

/** Throws a CommandError with what to do when it is not there in time, too old or does not let us in. */
export async function openConsul(options: ConsulOptions, onProgress: (line: string) => void): Promise<ConsulClient> {
  const settings = readCliSettings(options.home);
  const waitMs = readWait(options.wait);
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

/** Mistakes in files: what is suggested is what may have been meant. */
export function showMistakes(out: Console, problems: readonly Problem[]): void {
  for (const problem of problems) out.warn(`ferry: ${problemText(problem)}`);
}

/** What Consul refused: what is suggested is to be done. */
export function showRefusals(out: Console, problems: readonly Problem[]): void {
  for (const problem of problems) out.warn(`ferry: ${refusalText(problem)}`);
}

export function refusalText(problem: Problem): string {
  const advice = problem.suggestion === "" ? "" : `; ${problem.suggestion}`;
  return `${problemText({ ...problem, suggestion: "" })}${advice}`;
}

function readWait(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new UsageError(`--wait ${text}: expected ${reasonOf(error)}`);
  }
}
