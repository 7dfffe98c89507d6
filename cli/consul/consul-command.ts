// What `apply` and `diff` share: their options, the files, checked as a sidecar would, a Consul that answers, and how
// problems look.

import { Command } from "commander";
import { systemClock } from "../../common/clock.ts";
import { consulAccess } from "../../common/consul-settings.ts";
import { parseDurationMs } from "../../common/settings.ts";
import { awaitConsul } from "../../sidecar/discovery/consul/await-consul.ts";
import { ConsulClient } from "../../sidecar/discovery/consul/consul-client.ts";
import type { ConfigEntry } from "../../sidecar/routing/mesh-config/config-entry.ts";
import { type Problem, problemText } from "../../sidecar/routing/mesh-config/problem.ts";
import { readMeshConfig } from "../../sidecar/routing/mesh-config/read-mesh-config.ts";
import { type Console, openConsole } from "../console.ts";
import { CommandError, exitOk, exitUnmet, reasonOf, UsageError } from "../exit.ts";
import { readCliSettings } from "../settings.ts";
import { findMeshConfig } from "../supervise/mesh-config-dir.ts";

/** What the commands wait for Consul: a one-shot container starts together with the server that it writes to. */
const defaultWait = "30s";

/** What a command does with entries that have no mistake and a Consul that answers. */
export interface ConsulWork {
  readonly out: Console;
  readonly directory: string;
  readonly entries: readonly ConfigEntry[];
  readonly consul: ConsulClient;
}

export interface ConsulCommandForm {
  /** As `diff`. */
  readonly name: string;
  readonly description: string;
  /** What its result says besides `directory` and `problems` when nothing was done. */
  readonly nothing: Readonly<Record<string, unknown>>;
  /** Prints what it did, the result too; whether all is well. */
  readonly work: (work: ConsulWork) => Promise<boolean>;
}

/** A command that compares a mesh configuration with Consul's, or writes it there. Files with mistakes end it. */
export function consulCommand({ name, description, nothing, work }: ConsulCommandForm, finish: (code: number) => void) {
  return new Command(name)
    .description(description)
    .argument("[dir]", "the directory; default: the running stack's, else ./mesh-config")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--wait <duration>", "how long to wait for Consul", defaultWait)
    .option("--json", "one JSON object on stdout")
    .action(async (dir: string | undefined, options: ConsulOptions) => {
      const out = openConsole(name, options.json === true);
      const { directory, entries, problems } = await readForConsul(dir, options.home);
      if (problems.length > 0) {
        for (const problem of problems) out.warn(`ferry: ${problemText(problem)}`);
        out.result(false, { directory, ...nothing, problems });
        finish(exitUnmet);
        return;
      }
      const consul = await openConsul(options, (line) => out.warn(line));
      try {
        finish((await work({ out, directory, entries, consul })) ? exitOk : exitUnmet);
      } finally {
        consul.close();
      }
    });
}

interface ReadForConsul {
  readonly directory: string;
  readonly entries: readonly ConfigEntry[];
  /** Empty: the entries can be written. */
  readonly problems: readonly Problem[];
}

async function readForConsul(dir: string | undefined, homeOption: string | undefined): Promise<ReadForConsul> {
  const { home, meshConfig } = readCliSettings(homeOption);
  const directory = findMeshConfig({ option: dir, optionName: "dir", setting: meshConfig, home });
  const read = await readMeshConfig(directory);
  if (!read.ok) return { directory, entries: [], problems: read.problems };
  return { directory, entries: read.config.entries, problems: [] };
}

interface ConsulOptions {
  /** `--home`. */
  readonly home?: string;
  /** `--wait`: how long a Consul that does not answer is waited for, as `30s`. */
  readonly wait: string;
  readonly json?: boolean;
}

/** Throws a CommandError with what to do when it is not there in time, too old or does not let us in. */
async function openConsul(options: ConsulOptions, onProgress: (line: string) => void): Promise<ConsulClient> {
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
