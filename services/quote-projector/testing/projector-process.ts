// The projector as a process, for tests: its ready line, its log, its end.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const mainFile = fileURLToPath(new URL("../main.ts", import.meta.url));

export class ProjectorProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  stdout = "";
  stderr = "";

  constructor(env: NodeJS.ProcessEnv, ...words: readonly string[]) {
    const { PATH } = process.env;
    this.#child = spawn(process.execPath, [mainFile, ...words], {
      env: { PATH, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.#closed = once(this.#child, "close");
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The ready line; rejects when the process ends without one. */
  async ready(): Promise<Record<string, unknown>> {
    while (!this.stdout.includes("\n")) {
      const data = once(this.#child.stdout ?? this.#child, "data");
      if ((await Promise.race([data, this.#closed.then(() => "closed")])) === "closed") throw new Error(this.stderr);
    }
    return JSON.parse(this.stdout.split("\n")[0] ?? "") as Record<string, unknown>;
  }

  /** Sends a signal and resolves with the exit code, or the signal's name when that ended it. */
  async stop(signal: NodeJS.Signals): Promise<number | string | null> {
    this.#child.kill(signal);
    return this.end();
  }

  async end(): Promise<number | string | null> {
    await this.#closed;
    return this.#child.exitCode ?? this.#child.signalCode;
  }
}
