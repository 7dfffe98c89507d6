// Starts reaper.sh, which outlives us by a moment and stops what we started if we die without doing so ourselves.
// Every process that a command starts is listed with it for as long as it runs.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./reaper.sh", import.meta.url));

export class Reaper {
  readonly #shell: ChildProcess;

  /** Starts the shell in a session of its own, where a terminal's Ctrl-C does not reach it. */
  constructor() {
    this.#shell = spawn("/bin/sh", [script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    // Without it nothing is worse than with it, except that a kill -9 of ours leaves processes behind.
    this.#shell.on("error", () => {});
    this.#shell.stdin?.on("error", () => {});
  }

  watch(group: number): void {
    this.#shell.stdin?.write(`+${group}\n`);
  }

  forget(group: number): void {
    this.#shell.stdin?.write(`-${group}\n`);
  }

  /** Lets the shell go; call it when nothing is left to watch. Resolves when it is gone. */
  async close(): Promise<void> {
    const isGone = this.#shell.exitCode !== null || this.#shell.signalCode !== null || this.#shell.pid === undefined;
    if (isGone) return;
    const gone = new Promise((resolve) => this.#shell.once("exit", resolve));
    this.#shell.stdin?.end();
    await gone;
  }
}
