// Runs `ferry` as a user does, through its launcher: a command to its end, or a long-running one line by line.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const launcher = `${root}/cli/ferry`;

export interface RunOptions {
  readonly home?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of stdout as JSON; undefined when it is none. */
  readonly json: JsonObject | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: what a command prints is checked by the assertions on it.
export type JsonObject = Record<string, any>;

/** What our processes and the clients in them read, and what a test runner leaves behind. */
const ownSettings = /^(FERRY_|OTEL_|VITEST|NODE_|CONSUL_|NATS_|PG|DATABASE_URL$)/;

/** The environment without settings that the developer's shell may have. */
export function cleanEnv(home: string | undefined, extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !ownSettings.test(name));
  return { ...Object.fromEntries(kept), ...(home !== undefined && { FERRY_HOME: home }), ...extra };
}

/** Runs a program to its end; its output is kept whole. */
export async function runToEnd(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: cleanEnv(options.home, options.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const [stdout, stderr, exit] = await Promise.all([textOf(child.stdout), textOf(child.stderr), exitOf(child)]);
  return { ...exit, stdout, stderr, json: parseLine(stdout.trimEnd().split("\n").at(-1) ?? "") };
}

export function ferry(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return runToEnd(launcher, args, options);
}

/** A long-running program, followed by its lines. */
export class Running {
  readonly pid: number;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #stderr = "";
  #isEnded = false;

  constructor(command: string, args: readonly string[], options: RunOptions & { detached?: boolean } = {}) {
    this.#child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: cleanEnv(options.home, options.env),
      stdio: ["ignore", "pipe", "pipe"],
      detached: options.detached ?? false,
    });
    this.pid = this.#child.pid ?? 0;
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.#child.stderr?.on("data", (data) => {
      this.#stderr += data;
    });
    this.exited = exitOf(this.#child).then((exit) => {
      this.#isEnded = true;
      this.#wake();
      return exit;
    });
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The first line that `pick` makes something of, also among those that came before. Rejects after `withinMs`. */
  async waitFor<T>(pick: (line: string) => T | undefined, withinMs: number): Promise<T> {
    const untilMs = Date.now() + withinMs;
    for (let at = 0; ; ) {
      for (; at < this.#lines.length; at++) {
        const picked = pick(this.#lines[at]!);
        if (picked !== undefined) return picked;
      }
      const leftMs = untilMs - Date.now();
      if (this.#isEnded || leftMs <= 0) {
        const why = this.#isEnded ? "it ended" : `${withinMs} ms passed`;
        throw new Error(`${why}; stdout:\n${this.#lines.join("\n")}\nstderr:\n${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** The first event of this name, as `{"event":"ready",…}`. */
  event(name: string, withinMs: number): Promise<JsonObject> {
    return this.waitFor((line) => {
      const json = parseLine(line);
      return json?.event === name ? json : undefined;
    }, withinMs);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

export function startFerry(args: readonly string[], options: RunOptions = {}): Running {
  return new Running(launcher, args, options);
}

function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

function parseLine(line: string): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === "object" && json !== null ? (json as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
