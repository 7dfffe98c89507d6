// What the proxy benchmark knows of a peer, and how a peer's process is started on its core and ended by its pid.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { cpuMsOf, processesOf, rssKbOf, sumOver } from "./process-figures.ts";
import type { TlsFiles } from "./tls-files.ts";

export interface PeerParams {
  readonly backendPort: number;
  /** A folder of the peer's own for its configuration and state; removed afterwards. */
  readonly folder: string;
  /** What the peer's processes are bound to, as taskset has it: `0`, `0-1`. */
  readonly cores: string;
  /** Threads or processes that do the work, on one port. */
  readonly workers: number;
  /** It takes TLS 1.3 only and demands a client certificate; undefined: plaintext. The backend is plaintext always. */
  readonly tls: TlsFiles | undefined;
}

export interface RunningPeer {
  /** Where it takes calls, on 127.0.0.1. */
  readonly port: number;
  /** Of its first process; undefined for no process of its own. */
  readonly pid: number | undefined;
  /** Processor time that its processes have used so far, milliseconds; undefined for no process of its own. */
  cpuMs(): number | undefined;
  /** Resident memory of its processes now, MB; undefined for no process of its own. */
  rssMb(): number | undefined;
  stop(): Promise<void>;
}

/** What not every peer can. */
export interface PeerWay {
  readonly isTls: boolean;
  readonly workers: number;
}

export interface Peer {
  readonly name: string;
  /** Why it cannot be measured, on this machine or in this way; undefined when it can. */
  obstacle(way: PeerWay): string | undefined;
  /** Of a program of another make, as `2.6.12`. */
  version?(): string;
  /** Resolves when it accepts connections; rejects with what it said when it does not within 15 s. */
  start(params: PeerParams): Promise<RunningPeer>;
}

const startLimitMs = 15_000;
const stopLimitMs = 3_000;

/** A loopback port that nobody listens on now. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  server.close();
  await once(server, "close");
  return port;
}

/** Starts `command` on `cores`; the child's own pid is the command's, since taskset replaces itself. */
export function spawnOnCores(cores: string, command: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn("taskset", ["-c", cores, ...command], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

const running = new Set<ChildProcess>();

/** Called once by each benchmark: whatever ends it, also Ctrl-C and SIGTERM, ends what it has started here. */
export function endChildrenWithUs(): void {
  process.once("exit", () => {
    for (const child of running) child.kill("SIGKILL");
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
}

/** Starts a peer that listens on `port` and waits until it does. */
export async function startListening(cores: string, command: readonly string[], port: number): Promise<RunningPeer> {
  const child = spawnOnCores(cores, command);
  const said = keepOutput(child);
  const limitMs = performance.now() + startLimitMs;
  while (!(await canConnect(port))) {
    if (child.exitCode !== null || performance.now() > limitMs) {
      await stopChild(child);
      throw new Error(`${command[0]} does not listen on port ${port}: ${said()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return runningChild(child, port);
}

/** A peer whose process is up and takes calls on `port`. */
export function runningChild(child: ChildProcess, port: number): RunningPeer {
  const pid = child.pid!;
  return {
    ...{ port, pid, stop: () => stopChild(child) },
    cpuMs: () => sumOver(processesOf(pid), cpuMsOf),
    rssMb: () => Math.round(sumOver(processesOf(pid), rssKbOf) / 102.4) / 10,
  };
}

/** What the ready lines of our own processes may have. */
export interface Ready {
  /** Of the bare proxy. */
  readonly port?: number;
  /** `host:port` of `ferry proxy`. */
  readonly listen?: string;
  /** `host:port` of the sidecar's way out. */
  readonly outbound?: string;
}

/**
 * The first JSON object that a process of ours writes to stdout, its ready line; V8's traces may stand before it. Ends
 * the child and rejects with what it said when it ends before that, or is not ready within 15 s.
 */
export async function readyLineOf(child: ChildProcess): Promise<Ready> {
  const said = keepOutput(child);
  const line = await new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), startLimitMs);
    const decide = (found: string | undefined) => {
      clearTimeout(timer);
      resolve(found);
    };
    createInterface({ input: child.stdout! }).on("line", (text) => text.startsWith("{") && decide(text));
    child.once("exit", () => decide(undefined));
  });
  if (line !== undefined) return JSON.parse(line) as Ready;
  await stopChild(child);
  throw new Error(`did not become ready: ${said()}`);
}

/** The port of `host:port`. */
export function portOf(address: string | undefined): number {
  return Number(address?.slice(address.lastIndexOf(":") + 1));
}

/** Drains what the child writes, so that it never blocks; returns a function that gives its last 2,000 characters. */
export function keepOutput(child: ChildProcess): () => string {
  let tail = "";
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-2000);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  child.on("error", (error) => keep(Buffer.from(error.message)));
  return () => tail.trim();
}

/** SIGTERM, and SIGKILL for one that has not gone after three seconds. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopLimitMs);
  await gone;
  clearTimeout(timer);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
