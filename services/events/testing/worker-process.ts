// Starts log-worker.ts as a process, collects its lines, kills it with SIGKILL and starts it again where it was.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const workerFile = fileURLToPath(new URL("./log-worker.ts", import.meta.url));

export class WorkerProcess {
  /** Every whole line that any life of this worker has printed, in order. */
  readonly lines: string[] = [];
  readonly #arguments: (lines: readonly string[]) => readonly string[];
  #child: ChildProcess;
  #read: Promise<unknown>;
  /** What the worker complained about; empty in a good run. */
  complaints = "";

  /** `argumentsFor` gives the worker's arguments from the lines that its lives before have printed. */
  constructor(argumentsFor: (lines: readonly string[]) => readonly string[]) {
    this.#arguments = argumentsFor;
    [this.#child, this.#read] = this.#start();
  }

  /** Kills the process without warning; resolves when it is gone and all it printed is read. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
    await this.#read;
  }

  /** Starts the next life of a worker that was killed. */
  restart(): void {
    [this.#child, this.#read] = this.#start();
  }

  /** Resolves with the exit code when the process ends by itself. */
  async end(): Promise<number | null> {
    await this.#read;
    return this.#child.exitCode;
  }

  #start(): [ChildProcess, Promise<unknown>] {
    const child = spawn(process.execPath, [workerFile, ...this.#arguments(this.lines)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    // readline gives a last line without its newline, too: half a line of a killed process must not count.
    let text = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (chunk: string) => {
      const parts = (text + chunk).split("\n");
      text = parts.pop() ?? "";
      this.lines.push(...parts);
    });
    createInterface(child.stderr).on("line", (line) => {
      this.complaints += `${line}\n`;
    });
    return [child, once(child, "close")];
  }
}
