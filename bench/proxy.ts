// One-core throughput and latency of our sidecar beside other proxies, in one run on one machine:
//
//   npm run bench:proxy -- [--profile plain|bare] [--peers ferry,haproxy,…] [--workloads "8x32 64B,…"]
//       [--caches on,off] [--runs N] [--seconds S] [--least-ratio R] [--json]
//
// The proxy is bound to core 0; load generator, backend and this process share core 1. Peers take turns within a run,
// backwards in every other run, and each row is the median over the runs. A row counts only if the backend served
// exactly what the load got whole and a grpc-js probe saw status 0 and its own payload. See bench/README.md.

import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { resultLine, thisMachine } from "../common/json-output.ts";
import { ferry, ferryUnheld } from "./peers/ferry.ts";
import { ferryBare } from "./peers/ferry-bare.ts";
import { findProgram } from "./peers/find-program.ts";
import { direct, envoy, haproxy, nghttpx, nginx, nodeHttp2 } from "./peers/other-makes.ts";
import type { Peer, RunningPeer } from "./peers/peer.ts";
import { runLoad, type Workload, workloads } from "./proxy-load.ts";
import { Probe } from "./proxy-probe.ts";
import { formatTable, type Measurement, makeReport, nameOf } from "./proxy-report.ts";

const others: readonly Peer[] = [haproxy, nghttpx, envoy, nodeHttp2, nginx, direct];
/** What our own proxy is in each profile; the others have no layers to leave out. */
const profiles: Readonly<Record<string, readonly Peer[]>> = {
  plain: [ferry, ferryUnheld, ...others],
  bare: [ferryBare, ...others],
};
const proxyCore = 0;
const loadCore = 1;
// A method that the released contracts mark as free of side effects, so that the sidecar keeps it for a retry.
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
const guarded = "8x32 64B, caches on";

interface Options {
  readonly profile: string;
  readonly workloads: readonly Workload[];
  readonly caches: readonly Measurement["cache"][];
  readonly peers: readonly Peer[];
  readonly runs: number;
  readonly seconds: number;
  readonly isJson: boolean;
  /** Our rate at 8x32 must be at least this multiple of HAProxy's in the same runs; 0: whatever it is. */
  readonly leastRatio: number;
}

/** What every measurement of one invocation shares. */
interface Setting extends Options {
  readonly folder: string;
  readonly backend: Backend;
  log(line: string): void;
}

function readOptions(): Options | string {
  const { values } = parseArgs({
    options: {
      profile: { type: "string", default: "plain" },
      peers: { type: "string", default: [ferry, ...others].map(({ name }) => name).join(",") },
      workloads: { type: "string", default: workloads.map(({ name }) => name).join(",") },
      caches: { type: "string", default: "on,off" },
      runs: { type: "string", default: "3" },
      seconds: { type: "string", default: "4" },
      "least-ratio": { type: "string", default: "0" },
      json: { type: "boolean", default: false },
    },
  });
  const peers = profiles[values.profile];
  if (peers === undefined) return `no profile ${values.profile}; there are ${Object.keys(profiles).join(", ")}`;
  const names = values.peers.split(",");
  const shapes = values.workloads.split(",");
  const caches = values.caches.split(",");
  const unknown =
    firstUnknown(
      "peer",
      names,
      peers.map(({ name }) => name),
    ) ??
    firstUnknown(
      "workload",
      shapes,
      workloads.map(({ name }) => name),
    ) ??
    firstUnknown("cache", caches, ["on", "off"]);
  if (unknown !== undefined) return unknown;
  const runs = Number(values.runs);
  const seconds = Number(values.seconds);
  if (!Number.isInteger(runs) || runs < 1 || runs > 100) return `--runs ${values.runs}: expected 1 to 100`;
  if (!(seconds >= 0.1 && seconds <= 600)) return `--seconds ${values.seconds}: expected 0.1 to 600`;
  const leastRatio = Number(values["least-ratio"]);
  if (!(leastRatio >= 0)) return `--least-ratio ${values["least-ratio"]}: expected a number from 0 on`;
  return {
    profile: values.profile,
    peers: peers.filter(({ name }) => names.includes(name)),
    workloads: workloads.filter(({ name }) => shapes.includes(name)),
    caches: (["on", "off"] as const).filter((cache) => caches.includes(cache)),
    ...{ runs, seconds, isJson: values.json, leastRatio },
  };
}

function firstUnknown(what: string, named: readonly string[], known: readonly string[]): string | undefined {
  const unknown = named.find((name) => !known.includes(name));
  return unknown === undefined ? undefined : `no ${what} ${unknown}; there are ${known.join(", ")}`;
}

/** Why nothing can be measured on this machine; undefined when it can. */
function obstacle(): string | undefined {
  if (availableParallelism() < 2) return "needs two cores, one for the proxy and one for load and backend";
  return findProgram("taskset") === undefined ? "taskset is not installed (Debian: util-linux)" : undefined;
}

interface Backend {
  readonly port: number;
  served(): Promise<number>;
  stop(): void;
}

async function startBackend(): Promise<Backend> {
  const file = fileURLToPath(new URL("peers/backend.ts", import.meta.url));
  const child = fork(file, { execArgv: [] });
  execFileSync("taskset", ["-acp", String(loadCore), String(child.pid)], { stdio: "ignore" });
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    port,
    async served() {
      child.send("served");
      const [answer] = (await once(child, "message")) as [{ served: number }];
      return answer.served;
    },
    stop: () => void child.kill("SIGTERM"),
  };
}

/** A peer that is up. */
interface UnderTest {
  readonly name: string;
  readonly run: number;
  readonly running: RunningPeer;
}

/** Runs one workload through a peer that is up: warm-up, then the measured run. */
async function measure(
  { backend, seconds }: Setting,
  { name, run, running }: UnderTest,
  { workload, cache }: { readonly workload: Workload; readonly cache: Measurement["cache"] },
): Promise<Measurement> {
  const limitMs = seconds * 10_000 + 30_000;
  const { port } = running;
  const headers = cache === "on" ? ("repeated" as const) : ("varying" as const);
  const plan = { port, path, headers, ...workload.shape, ratePerSecond: 0 };
  const requests = workload.warmUpRequests;
  await runLoad({ ...plan, requests }, loadCore, limitMs);
  const { rps } = await runLoad({ ...plan, requests }, loadCore, limitMs);

  const before = await backend.served();
  const probe = new Probe(port, path);
  const startedMs = performance.now();
  const cpuBeforeMs = running.cpuMs();
  const figures = await runLoad({ ...plan, requests: Math.max(100, Math.round(rps * seconds)) }, loadCore, limitMs);
  const cpuAfterMs = running.cpuMs();
  const tookMs = performance.now() - startedMs;
  const { calls, problems } = await probe.stop();
  const served = (await backend.served()) - before - calls;
  return {
    ...{ run, peer: name, cache, workload: workload.name },
    rps: figures.rps,
    mbps: figures.bytesPerSecond / 1e6,
    p50Us: figures.p50Us,
    p99Us: figures.p99Us,
    cpu: cpuBeforeMs === undefined ? undefined : (cpuAfterMs! - cpuBeforeMs) / tookMs,
    rssMb: running.rssMb(),
    errors: figures.errors,
    served,
    answered: figures.answered,
    probeProblems: problems,
  };
}

/** All workloads through one peer, started for them and ended behind them. */
async function measurePeer(setting: Setting, peer: Peer, run: number): Promise<readonly Measurement[]> {
  const folder = mkdtempSync(join(setting.folder, `${peer.name}-`));
  let running: RunningPeer | undefined;
  const measurements: Measurement[] = [];
  try {
    running = await peer.start({ backendPort: setting.backend.port, folder, core: proxyCore });
    for (const workload of setting.workloads) {
      for (const cache of setting.caches) {
        const measurement = await measure(setting, { name: peer.name, run, running }, { workload, cache });
        measurements.push(measurement);
        const { rps, p50Us, p99Us } = measurement;
        const what = `${peer.name} ${nameOf(measurement)}`;
        setting.log(`${what}: ${Math.round(rps)} req/s, p50 ${p50Us} us, p99 ${p99Us} us`);
      }
    }
  } finally {
    await running?.stop();
  }
  return measurements;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === "string") {
    console.error(`bench:proxy: ${options}`);
    return 2;
  }
  const reason = obstacle();
  if (reason !== undefined) {
    console.error(`bench:proxy: ${reason}`);
    return 1;
  }
  const log = (line: string) => (options.isJson ? console.error(line) : console.log(line));
  // Before we bind ourselves to one core, which is all that Node would then count.
  const machine = thisMachine();
  execFileSync("taskset", ["-acp", String(loadCore), String(process.pid)], { stdio: "ignore" });
  const folder = mkdtempSync(join(tmpdir(), "ferry-bench-"));
  const backend = await startBackend();
  const setting: Setting = { ...options, folder, backend, log };
  const missing = options.peers.filter((peer) => peer.missing() !== undefined);
  const present = options.peers.filter((peer) => peer.missing() === undefined);
  const measurements: Measurement[] = [];
  const failed: { peer: string; reason: string }[] = [];
  try {
    for (let run = 0; run < options.runs; run++) {
      log(`run ${run + 1} of ${options.runs}`);
      for (const peer of run % 2 === 0 ? present : present.toReversed()) {
        try {
          measurements.push(...(await measurePeer(setting, peer, run)));
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          failed.push({ peer: peer.name, reason: why });
          log(`${peer.name}: ${why}`);
        }
      }
    }
  } finally {
    backend.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const report = makeReport(measurements);
  for (const rejection of report.rejected) {
    log(`not counted: ${rejection.peer} ${nameOf(rejection)}: ${rejection.reason}`);
  }
  for (const peer of missing) log(`missing: ${peer.name}: ${peer.missing()}`);
  const ratio = report.ratios[guarded]?.ferry ?? 0;
  const isSlow = ratio < options.leastRatio;
  if (isSlow)
    log(`too slow: ${ratio.toFixed(2)} of HAProxy's rate at ${guarded}, expected ${options.leastRatio} or more`);
  const isOk = report.rejected.length === 0 && failed.length === 0 && !isSlow;
  if (options.isJson) {
    const fields = { machine, ...describe(options, missing), ...report, failed };
    console.log(resultLine("bench:proxy", isOk, fields));
  } else {
    console.log(`\n${formatTable(report)}\n\n${placement}`);
  }
  return isOk ? 0 : 1;
}

const placement =
  "proxy on core 0; load generator (bench/wire/load.ts), backend and probe together on core 1: direct, without a " +
  "proxy, shows what they can do by themselves. Latencies are of every call of the measured run.";

function describe({ profile, runs, seconds }: Options, missing: readonly Peer[]) {
  return { profile, runs, seconds, placement, missing: missing.map(({ name }) => name) };
}

process.exitCode = await main();
