// One-core throughput and latency of our sidecar beside other proxies, in one run on one machine:
//
//   npm run bench:proxy -- [--peers ferry,haproxy,…] [--runs N] [--seconds S] [--least-ratio R] [--json]
//
// The proxy is bound to core 0; load generator, backend and this process share core 1. Peers take turns within a run,
// backwards in every other run, and each row is the median over the runs. A row counts only if the backend served
// exactly what the load got with 2xx and a grpc-js probe saw status 0 and its own payload. See bench/README.md.

import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { resultLine, thisMachine } from "../common/json-output.ts";
import { ferry } from "./peers/ferry.ts";
import { findProgram } from "./peers/find-program.ts";
import { direct, envoy, haproxy, nghttpx, nginx, nodeHttp2 } from "./peers/other-makes.ts";
import type { Peer, RunningPeer } from "./peers/peer.ts";
import { runLoad, type Workload, workloads } from "./proxy-load.ts";
import { Probe } from "./proxy-probe.ts";
import { formatTable, type Measurement, makeReport } from "./proxy-report.ts";

const peers: readonly Peer[] = [ferry, haproxy, nghttpx, envoy, nodeHttp2, nginx, direct];
const proxyCore = 0;
const loadCore = 1;
// A method that the released contracts mark as free of side effects, so that the sidecar keeps it for a retry.
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
const messageBytes = 64;
// Enough to compile what will be hot and to find the rate.
const warmUpRequests: Readonly<Record<string, number>> = { "8x32": 20_000, "1x1": 1_000 };

interface Options {
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
  readonly bodyFile: string;
  readonly backend: Backend;
  log(line: string): void;
}

function readOptions(): Options | string {
  const { values } = parseArgs({
    options: {
      peers: { type: "string", default: peers.map(({ name }) => name).join(",") },
      runs: { type: "string", default: "3" },
      seconds: { type: "string", default: "4" },
      "least-ratio": { type: "string", default: "0" },
      json: { type: "boolean", default: false },
    },
  });
  const names = values.peers.split(",");
  const unknown = names.find((name) => !peers.some((peer) => peer.name === name));
  if (unknown !== undefined) return `no peer ${unknown}; there are ${peers.map(({ name }) => name).join(", ")}`;
  const runs = Number(values.runs);
  const seconds = Number(values.seconds);
  if (!Number.isInteger(runs) || runs < 1 || runs > 100) return `--runs ${values.runs}: expected 1 to 100`;
  if (!(seconds >= 0.1 && seconds <= 600)) return `--seconds ${values.seconds}: expected 0.1 to 600`;
  const leastRatio = Number(values["least-ratio"]);
  if (!(leastRatio >= 0)) return `--least-ratio ${values["least-ratio"]}: expected a number from 0 on`;
  return { peers: peers.filter(({ name }) => names.includes(name)), runs, seconds, isJson: values.json, leastRatio };
}

/** Why nothing can be measured on this machine; undefined when it can. */
function obstacle(): string | undefined {
  if (availableParallelism() < 2) return "needs two cores, one for the proxy and one for load and backend";
  for (const program of ["taskset", "h2load"]) {
    if (findProgram(program) === undefined) return `${program} is not installed (Debian: util-linux, nghttp2-client)`;
  }
  return undefined;
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

/** Runs one workload through a peer that is up: warm-up, rate, latencies. */
async function measure(setting: Setting, peer: UnderTest, workload: Workload): Promise<Measurement> {
  const { bodyFile, backend, seconds } = setting;
  const limitMs = seconds * 10_000 + 30_000;
  const { port } = peer.running;
  const base = { port, workload, path, bodyFile, core: loadCore, limitMs };
  await runLoad({ ...base, requests: warmUpRequests[workload.name]!, logFile: undefined });
  const calibration = await runLoad({ ...base, requests: warmUpRequests[workload.name]!, logFile: undefined });
  const requests = Math.max(1000, Math.round(calibration.rps * seconds));
  const logFile = join(setting.folder, "h2load.log");
  const isOneAtATime = workload.connections * workload.streams === 1;

  const before = await backend.served();
  const probe = new Probe(port, path);
  const startedMs = performance.now();
  const cpuBeforeMs = peer.running.cpuMs();
  const rate = await runLoad({ ...base, requests, logFile: isOneAtATime ? logFile : undefined });
  const cpuAfterMs = peer.running.cpuMs();
  const tookMs = performance.now() - startedMs;
  const { calls, problems } = await probe.stop();
  const served = (await backend.served()) - before - calls;

  const sample = Math.max(1000, Math.round(requests / 4));
  const latency = isOneAtATime ? rate : await runLoad({ ...base, requests: sample, logFile });
  rmSync(logFile, { force: true });
  return {
    run: peer.run,
    peer: peer.name,
    workload: workload.name,
    rps: rate.rps,
    p50Us: latency.p50Us ?? 0,
    p99Us: latency.p99Us ?? 0,
    cpu: cpuBeforeMs === undefined ? undefined : (cpuAfterMs! - cpuBeforeMs) / tookMs,
    errors: rate.errors + (isOneAtATime ? 0 : latency.errors),
    served,
    answered: rate.succeeded,
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
    for (const workload of workloads) {
      const measurement = await measure(setting, { name: peer.name, run, running }, workload);
      measurements.push(measurement);
      const { rps, p50Us, p99Us } = measurement;
      setting.log(`${peer.name} ${workload.name}: ${Math.round(rps)} req/s, p50 ${p50Us} us, p99 ${p99Us} us`);
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
  const bodyFile = join(folder, "body.bin");
  writeFileSync(bodyFile, grpcMessage(messageBytes));
  const backend = await startBackend();
  const setting: Setting = { ...options, folder, bodyFile, backend, log };
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
  for (const { peer, workload, reason: why } of report.rejected) log(`not counted: ${peer} ${workload}: ${why}`);
  for (const peer of missing) log(`missing: ${peer.name}: ${peer.missing()}`);
  const ratio = report.ratios["8x32"]?.ferry ?? 0;
  const isSlow = ratio < options.leastRatio;
  if (isSlow) log(`too slow: ${ratio.toFixed(2)} of HAProxy's rate at 8x32, expected ${options.leastRatio} or more`);
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
  "proxy on core 0; load generator, backend and probe together on core 1, so above some 100k req/s the load is part " +
  "of what is measured. Latencies are from h2load's per-request log: at 1x1 of the measured run itself, at 8x32 of a " +
  "shorter run behind it.";

function describe(options: Options, missing: readonly Peer[]) {
  const { runs, seconds } = options;
  return { runs, seconds, bytes: messageBytes, placement, missing: missing.map(({ name }) => name) };
}

/** A gRPC message of `bytes` in all: not compressed, length, payload. */
function grpcMessage(bytes: number): Buffer {
  const message = Buffer.alloc(bytes, "f");
  message[0] = 0;
  message.writeUInt32BE(bytes - 5, 1);
  return message;
}

process.exitCode = await main();
