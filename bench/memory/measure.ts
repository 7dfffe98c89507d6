// Starts our processes as they are shipped and looks at them from outside: how long a start takes, what they hold, how
// they collect under load. Called by bench/memory.ts.

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { sidecarCommand } from "../peers/ferry.ts";
import { proxyArguments } from "../peers/ferry-proxy.ts";
import { portOf, type Ready, readyLineOf, spawnOnCores, stopChild } from "../peers/peer.ts";
import { processesOf, rssKbOf, sumOver } from "../peers/process-figures.ts";
import { median } from "../percentile.ts";
import { runLoad } from "../proxy-load.ts";
import { type Backend, loadCore } from "../proxy-measure.ts";
import { type Collection, readCollection, summarise } from "./gc-trace.ts";
import { growthOf } from "./growth.ts";
import { openIdle } from "./idle-connections.ts";
import { Inspector, inspectorOf } from "./inspector.ts";
import type { MemoryFigures } from "./report.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** As the command `ferry` has it, which keeps compiled code there. */
const compileCache = join(root, "node_modules/.cache/ferry");
const cores = "0";
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
const parts = 20;
/** What a process still does behind its ready line has gone by then. */
const settleMs = 3_000;
const manyLimits = "maxConnections=50000,maxConnectionsPerAddress=50000,idleMs=0";

export interface Setting {
  readonly backend: Backend;
  readonly folder: string;
  log(line: string): void;
}

/** A process of ours that can be started. */
interface Program {
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export function sidecarProgram({ backend, folder }: Setting, nodeFlags: readonly string[] = []): Program {
  const params = { backendPort: backend.port, folder: mkdtempSync(join(folder, "sidecar-")), workers: 1, nodeFlags };
  const { command, env } = sidecarCommand(params);
  return { command, env: { ...env, NODE_COMPILE_CACHE: compileCache } };
}

export function proxyProgram({ backend }: Setting, limits?: string): Program {
  const given = proxyArguments({ backendPort: backend.port, workers: 1, ...(limits !== undefined && { limits }) });
  return { command: [join(root, "cli/ferry"), ...given] };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const rssMbOf = (pid: number) => Math.round(sumOver(processesOf(pid), rssKbOf) / 102.4) / 10;

/** Runs `use` while the program is up; `startMs` is from its process's start to its ready line. */
async function whileUp<T>(
  { command, env }: Program,
  use: (up: { readonly pid: number; readonly ready: Ready; readonly startMs: number }) => Promise<T>,
): Promise<T> {
  const startedMs = performance.now();
  const child = spawnOnCores(cores, command, env);
  const ready = await readyLineOf(child);
  const startMs = performance.now() - startedMs;
  try {
    return await use({ pid: child.pid!, ready, startMs });
  } finally {
    await stopChild(child);
  }
}

/** The median of several starts; one before them fills the file cache and that of compiled code. */
export async function startMsOf(make: () => Program, starts: number): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n <= starts; n++) took.push(await whileUp(make(), async ({ startMs }) => startMs));
  return Math.round(median(took.slice(1)));
}

export async function idleRssMb(program: Program): Promise<number> {
  return await whileUp(program, async ({ pid }) => {
    await pause(settleMs);
    return rssMbOf(pid);
  });
}

export async function withConnections(setting: Setting, count: number): Promise<MemoryFigures["connections"]> {
  return await whileUp(proxyProgram(setting, manyLimits), async ({ pid, ready }) => {
    await pause(settleMs);
    const before = rssMbOf(pid);
    const idle = await openIdle(portOf(ready.listen), count);
    await pause(settleMs);
    const rssMb = rssMbOf(pid);
    idle.close();
    return { count, rssMb, bytesPerConnection: Math.round(((rssMb - before) * 1_048_576) / count) };
  });
}

/** The sidecar under load until it has served `calls`. */
export async function underLoad(setting: Setting, calls: number): Promise<MemoryFigures["load"]> {
  const { command, env } = sidecarProgram(setting, ["--trace-gc-nvp", "--inspect=127.0.0.1:0"]);
  const child = spawnOnCores(cores, command, env);
  const collections: Collection[] = [];
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const collection = readCollection(line);
    if (collection !== undefined) collections.push(collection);
  });
  try {
    const [url, { outbound }] = await Promise.all([inspectorOf(child), readyLineOf(child)]);
    const inspector = await Inspector.connect(url);
    const plan = { port: portOf(outbound), path, connections: 8, streams: 32, messageBytes: 64, reply: undefined };
    const requests = Math.ceil(calls / parts);
    const load = () => {
      const how = { headers: "varying", ratePerSecond: 0, tls: undefined, uncounted: 0 } as const;
      return runLoad({ ...plan, ...how, requests }, loadCore, 600_000);
    };
    setting.log(`warm-up: ${requests} calls`);
    await load();
    const sizes = [await inspector.usedHeapBytes()];
    // V8 writes its lines when some kilobytes have come together: a few of the warm-up's are still among those to come.
    collections.length = 0;
    let answered = 0;
    for (let part = 1; part <= parts; part++) {
      const { rps, ...figures } = await load();
      if (figures.errors > 0) throw new Error(`${figures.errors} calls failed: ${figures.error}`);
      answered += figures.answered;
      sizes.push(await inspector.usedHeapBytes());
      const heapMb = (sizes.at(-1)! / 1e6).toFixed(1);
      setting.log(`part ${part} of ${parts}: ${Math.round(rps)} req/s, heap after a collection ${heapMb} MB`);
    }
    inspector.close();
    const allocated = collections.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
    return {
      ...{ calls: answered, bytesPerCall: Math.round(allocated / answered) },
      ...{ collections: summarise(collections.filter(({ isForced }) => !isForced)), rssMb: rssMbOf(child.pid!) },
      heap: { firstMb: megabytes(sizes[0]!), lastMb: megabytes(sizes.at(-1)!), ...growthOf(sizes, answered) },
    };
  } finally {
    await stopChild(child);
  }
}

const megabytes = (bytes: number) => Math.round(bytes / 10_000) / 100;
