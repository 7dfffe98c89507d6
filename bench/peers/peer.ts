// What the proxy benchmark knows of a peer, and how a peer's process is started on its core and ended by its pid.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

export interface PeerParams {
  readonly backendPort: number;
  /** A folder of the peer's own for its configuration and state; removed afterwards. */
  readonly folder: string;
  /** The core that the peer's process is bound to. */
  readonly core: number;
}

export interface RunningPeer {
  /** Where it takes calls, on 127.0.0.1. */
  readonly port: number;
  /** Processor time that its process has used so far, milliseconds; undefined for no process of its own. */
  cpuMs(): number | undefined;
  /** Resident memory of its process now, MB; undefined for no process of its own. */
  rssMb(): number | undefined;
  stop(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** Why it cannot be run on this machine, or undefined when it can. */
  missing(): string | undefined;
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

/** Starts `command` on `core`; the child's own pid is the command's, since taskset replaces itself. */
export function spawnOnCore(core: number, command: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn("taskset", ["-c", String(core), ...command], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Starts a peer that listens on `port` and waits until it does. */
export async function startListening(core: number, command: readonly string[], port: number): Promise<RunningPeer> {
  const child = spawnOnCore(core, command);
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
  return { port, cpuMs: () => cpuMsOf(child), rssMb: () => rssMbOf(child), stop: () => stopChild(child) };
}

function rssMbOf(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 102.4) / 10;
}

/** The first line that a child writes to stdout; undefined when it ends before that, or says nothing for 15 s. */
export function firstLineOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), startLimitMs);
    createInterface({ input: child.stdout! }).once("line", resolve);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

/** User and system time of a child on Linux, to the 10 ms that the kernel counts in. */
function cpuMsOf(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
  // Behind the name, which may hold spaces: utime and stime are fields 14 and 15 of proc(5).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
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
