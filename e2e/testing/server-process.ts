// A server that is one process in the foreground: started, killed, started again with the same words. For fixtures.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { eventually } from "./eventually.ts";

export interface ServerSpec {
  /** For messages, as `consul`. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Whether it serves; asked until it does. */
  readonly isReady: () => Promise<boolean>;
  readonly readyWithinMs: number;
}

export class ServerProcess {
  readonly #spec: ServerSpec;
  #child: ChildProcess | undefined;
  #complaints = "";

  constructor(spec: ServerSpec) {
    this.#spec = spec;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when it serves; rejects with what it said when it ends before or takes too long. */
  async start(): Promise<void> {
    const { name, program, args, isReady, readyWithinMs } = this.#spec;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#complaints = "";
    const keep = (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-2000);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => keep(error.message));
    try {
      await eventually(`${name} serves`, readyWithinMs, async () => {
        if (this.#isEnded) return false;
        return (await isReady()) ? true : undefined;
      });
    } catch (error) {
      await this.kill();
      throw error;
    }
    if (this.#isEnded) throw new Error(`${name} ended before it served: ${this.#complaints.trim()}`);
  }

  /** Resolves when it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.#isEnded) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  get #isEnded(): boolean {
    const child = this.#child;
    return child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  }
}

/** What `program` says to `argument`; throws one sentence that names `variable` when it cannot be run. */
export function sayVersion(program: string, argument: string, variable: string): string {
  try {
    return execFileSync(program, [argument], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === "ENOENT" ? "is not there" : "cannot be run";
    throw new Error(`${program} ${why} (${variable} names it, else PATH); eval "$(scripts/servers.sh)" gets it`, {
      cause: error,
    });
  }
}
