// FERRY_HOME: what lies where in it, and who runs in it. A stack (`ferry up`) holds a lock for as long as it lives; the
// lock is SQLite's file lock, which the kernel gives back even after a kill -9, so there is nothing stale to clean up.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isRunning, processStart } from "../../sidecar/discovery/directory/process-identity.ts";
import { CommandError, reasonOf } from "../exit.ts";

/** A running process of a stack. */
export interface StackProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
}

/** stack.json: what `ferry up` runs, for the other commands. */
export interface StackFile {
  readonly pid: number;
  /** processStart of `pid`, which tells it from a later process with the same id. */
  readonly pidStart: string;
  /** `host:port` of the gateway. */
  readonly gateway: string;
  /** `host:port` of the gateway's admin server. */
  readonly admin: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly meshConfig: string;
  /** `host:port` of Consul when that is the registry. */
  readonly consul: string | null;
  readonly processes: readonly StackProcess[];
}

/** processes/<id>.json: the two processes of an instance, written by whoever supervises them. */
export interface InstanceProcesses {
  readonly id: string;
  readonly service: string;
  readonly appPid: number;
  readonly sidecarPid: number;
  readonly supervisorPid: number;
  readonly supervisorStart: string;
}

export const logFileOf = (home: string, name: string): string => join(home, "logs", `${name}.log`);
export const registryOf = (home: string): string => join(home, "registry");

/** The stack that runs in `home`; undefined when none does. */
export function readStack(home: string): StackFile | undefined {
  const stack = readJson(join(home, "stack.json")) as StackFile | undefined;
  return stack !== undefined && isRunning(stack.pid, stack.pidStart) ? stack : undefined;
}

export function writeStack(home: string, stack: Omit<StackFile, "pid" | "pidStart">): void {
  writeWhole(join(home, "stack.json"), { pid: process.pid, pidStart: processStart(process.pid), ...stack });
}

export function removeStack(home: string): void {
  rmSync(join(home, "stack.json"), { force: true });
}

export function writeInstanceProcesses(
  home: string,
  instance: Pick<InstanceProcesses, "id" | "service" | "appPid" | "sidecarPid">,
): void {
  const supervisor = { supervisorPid: process.pid, supervisorStart: processStart(process.pid) };
  mkdirSync(join(home, "processes"), { recursive: true });
  writeWhole(join(home, "processes", `${instance.id}.json`), { ...instance, ...supervisor });
}

export function removeInstanceProcesses(home: string, id: string): void {
  rmSync(join(home, "processes", `${id}.json`), { force: true });
}

/** By instance id; instances whose supervisor is gone are left out. */
export function readInstanceProcesses(home: string): ReadonlyMap<string, InstanceProcesses> {
  const folder = join(home, "processes");
  let files: string[] = [];
  try {
    files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  } catch {
    // Nothing is supervised in this home yet.
  }
  const found = files
    .map((file) => readJson(join(folder, file)) as InstanceProcesses | undefined)
    .filter((instance) => instance !== undefined && isRunning(instance.supervisorPid, instance.supervisorStart));
  return new Map(found.map((instance) => [instance!.id, instance!]));
}

/** Holds `home` until `release`. Throws a CommandError when another stack holds it or it cannot be written. */
export function lockHome(home: string): { release: () => void } {
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(home, { recursive: true });
    lock = new DatabaseSync(join(home, "lock.db"), { timeout: 0 });
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock?.close();
    if (/locked|busy/i.test(reasonOf(error))) {
      const holder = readStack(home)?.pid;
      const who = holder === undefined ? "another `ferry up`" : `another \`ferry up\` (pid ${holder})`;
      throw new CommandError(`${who} runs in ${home}; stop it, or give this one a directory of its own with --home`);
    }
    throw new CommandError(`cannot use ${home} as FERRY_HOME: ${reasonOf(error)}`);
  }
  const held = lock;
  return { release: () => held.close() };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // Not there, or half-written by a version that is not ours.
  }
}

function writeWhole(file: string, content: unknown): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(content, null, 1)}\n`);
  renameSync(temporary, file);
}
