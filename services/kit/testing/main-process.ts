// One of the quoter's services as a process, for tests: its ready line, its log, its end.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

export type ServiceName = "quote-command" | "quote-projector" | "quote-query";

export class MainProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  stdout = "";
  stderr = "";

  constructor(service: ServiceName, env: NodeJS.ProcessEnv, ...words: readonly string[]) {
    const { PATH } = process.env;
    const mainFile = fileURLToPath(new URL(`../../${service}/main.ts`, import.meta.url));
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
    await this.#until(this.#child.stdout, () => this.stdout.includes("\n"));
    return JSON.parse(this.stdout.split("\n")[0] ?? "") as Record<string, unknown>;
  }

  /** Resolves when its log has `text`; rejects when it ends without. */
  async says(text: string): Promise<void> {
    await this.#until(this.#child.stderr, () => this.stderr.includes(text));
  }

  async #until(output: Readable | null, isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      const data = once(output ?? this.#child, "data");
      if ((await Promise.race([data, this.#closed.then(() => "closed")])) === "closed") throw new Error(this.stderr);
    }
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
