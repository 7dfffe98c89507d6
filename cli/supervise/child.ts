// One process that a command started: its own process group, stdin closed, the first line of stdout read as the JSON
// that says it is ready, stderr to a log file. A sidecar also says when it has drained, while it still carries the
// application's own calls. Guarantees: after `stop` nothing of its group is left.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";
import { type Clock, wait } from "../../common/clock.ts";
import { CommandError } from "../exit.ts";
import { lastMessage, lastSentence } from "./child-log.ts";
import type { Reaper } from "./reaper.ts";

export interface ChildSpec {
  /** Unique within the command, as `quote-command-1-sidecar`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where stderr goes; undefined: both outputs are the command's own and there is no ready line. */
  readonly logFile: string | undefined;
  /** How long the ready line may take, milliseconds. */
  readonly readyTimeoutMs: number;
}

/** How a process ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type ReadyLine = Readonly<Record<string, unknown>>;

export interface ChildDeps {
  readonly reaper: Reaper;
  readonly clock: Clock;
  /** Told now and then while a process takes its time to be ready: what its log says last. */
  readonly onSlow?: (sentence: string) => void;
}

/** What is not ready yet serves nobody, and need not be waited for when it does not heed SIGTERM. */
const unreadyGraceMs = 1_000;
/** How long a start may take before people want to know what it waits for, and how often they are told. */
const slowMs = 5_000;

export class Child {
  readonly spec: ChildSpec;
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  /** Resolves with the ready line; rejects with a CommandError when it does not come. */
  readonly ready: Promise<ReadyLine>;
  /** Resolves when it says `{"event":"drained"}`, or has ended. */
  readonly drained: Promise<void>;
  readonly #deps: ChildDeps;
  readonly #logFrom: number;
  #isReady = false;
  #isEnding = false;
  #exit: ChildExit | undefined;

  private constructor(spec: ChildSpec, { child, pid, logFrom }: Spawned, deps: ChildDeps) {
    this.spec = spec;
    this.pid = pid;
    this.#deps = deps;
    this.#logFrom = logFrom;
    deps.reaper.watch(pid);
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#exit = { code, signal };
        this.#signalGroup("SIGKILL"); // What it started in its group must not outlive it.
        deps.reaper.forget(pid);
        resolve(this.#exit);
      });
    });
    const lines = spec.logFile === undefined ? undefined : createInterface({ input: child.stdout as Readable });
    this.ready = lines === undefined ? Promise.resolve({}) : this.#firstLine(lines);
    this.ready.then(
      () => {
        this.#isReady = true;
      },
      () => {},
    ); // Whoever awaits it is told; nobody else must be.
    this.drained = new Promise((resolve) => {
      this.exited.then(() => resolve());
      lines?.on("line", (line) => {
        if (line.startsWith('{"event":"drained"')) resolve();
      });
    });
  }

  /** Rejects with a CommandError when the program cannot be started at all. */
  static async start(spec: ChildSpec, deps: ChildDeps): Promise<Child> {
    const { child, logFrom } = spawnWithLog(spec);
    const failed = await new Promise<Error | undefined>((resolve) => {
      child.once("spawn", () => resolve(undefined));
      child.once("error", resolve);
    });
    if (failed !== undefined || child.pid === undefined) {
      const code = (failed as NodeJS.ErrnoException | undefined)?.code;
      const why = code === "ENOENT" ? "there is no such program" : (failed?.message ?? "it got no process id");
      throw new CommandError(`${spec.name}: cannot start ${spec.command}: ${why}`);
    }
    return new Child(spec, { child, pid: child.pid, logFrom }, deps);
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** SIGTERM to the process alone, which may take its time. */
  terminate(): void {
    if (this.#exit === undefined) this.#signal(this.pid, "SIGTERM");
  }

  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when it is gone; idempotent. */
  async stop(graceMs: number): Promise<ChildExit> {
    if (this.#exit !== undefined) return this.#exit;
    this.#isEnding = true;
    this.#signalGroup("SIGTERM");
    const calm = new AbortController();
    const ownGraceMs = this.#isReady ? graceMs : Math.min(graceMs, unreadyGraceMs);
    const late = wait(this.#deps.clock, ownGraceMs, calm.signal).then(
      () => this.kill(),
      () => {},
    );
    const exit = await this.exited;
    calm.abort();
    await late;
    return exit;
  }

  /** SIGKILL to the whole group. */
  kill(): void {
    if (this.#exit === undefined) this.#signalGroup("SIGKILL");
  }

  #signalGroup(signal: NodeJS.Signals): void {
    this.#signal(-this.pid, signal);
  }

  #signal(to: number, signal: NodeJS.Signals): void {
    try {
      process.kill(to, signal);
    } catch {
      // ESRCH: it is gone, although its exit event may not have come yet.
    }
  }

  async #firstLine(lines: Interface): Promise<ReadyLine> {
    const { clock } = this.#deps;
    const { name, readyTimeoutMs } = this.spec;
    const first = new Promise<string>((resolve) => lines.once("line", resolve));
    const settled = new AbortController();
    void this.#tellWhileSlow(settled.signal);
    try {
      const outcome = await Promise.race([
        first,
        this.exited,
        wait(clock, readyTimeoutMs, settled.signal).then(() => undefined),
      ]);
      if (typeof outcome === "string") return parseReady(name, outcome);
      if (outcome === undefined)
        throw new CommandError(`${name} was not ready after ${readyTimeoutMs} ms${this.#logEnd()}`);
      throw new CommandError(`${name} did not start: it ${describeExit(outcome)}${this.#logEnd()}`);
    } finally {
      settled.abort();
    }
  }

  async #tellWhileSlow(settled: AbortSignal): Promise<void> {
    const { clock, onSlow } = this.#deps;
    const { name, logFile } = this.spec;
    if (onSlow === undefined || logFile === undefined) return;
    for (;;) {
      await wait(clock, slowMs, settled).catch(() => {});
      if (settled.aborted || this.#isEnding) return;
      const message = lastMessage(logFile, this.#logFrom);
      if (message !== undefined) onSlow(`${name} is not ready yet: ${message}`);
    }
  }

  #logEnd(): string {
    const { logFile } = this.spec;
    const last = logFile === undefined ? undefined : lastSentence(logFile, this.#logFrom);
    return last === undefined ? "" : `: ${last} (${logFile})`;
  }
}

/** As `ended with exit code 1` or `was killed by SIGKILL`. */
export function describeExit(exit: ChildExit): string {
  return exit.signal === null ? `ended with exit code ${exit.code}` : `was killed by ${exit.signal}`;
}

/** A shell's convention: 128 and the signal's number for a process that a signal ended. */
export function exitCodeOf(exit: ChildExit, signalNumbers: Readonly<Record<string, number>>): number {
  return exit.code ?? 128 + (signalNumbers[exit.signal ?? ""] ?? 0);
}

interface Spawned {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Where its part of the log begins, in bytes. */
  readonly logFrom: number;
}

function spawnWithLog(spec: ChildSpec): Omit<Spawned, "pid"> {
  const options = { env: spec.env, detached: true } as const;
  if (spec.logFile === undefined) {
    const child = spawn(spec.command, spec.args, { ...options, stdio: ["ignore", "inherit", "inherit"] });
    return { child, logFrom: 0 };
  }
  mkdirSync(dirname(spec.logFile), { recursive: true });
  const log = openSync(spec.logFile, "a");
  try {
    const logFrom = fstatSync(log).size;
    return { child: spawn(spec.command, spec.args, { ...options, stdio: ["ignore", "pipe", log] }), logFrom };
  } finally {
    closeSync(log);
  }
}

function parseReady(name: string, line: string): ReadyLine {
  try {
    const ready: unknown = JSON.parse(line);
    if (typeof ready === "object" && ready !== null && (ready as ReadyLine).event === "ready")
      return ready as ReadyLine;
  } catch {
    // Told below.
  }
  throw new CommandError(
    `${name}: expected {"event":"ready",…} as the first line of its output, found ${line.slice(0, 120)}`,
  );
}
