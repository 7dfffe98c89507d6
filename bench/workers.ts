// How the rate grows with workers, on a machine with few cores:
//
//   npm run bench:workers -- [--counts 1,2] [--share 40] [--runs 5] [--seconds 4] [--json] [--write]
//
// `ferry proxy --workers N` before the load of bench:proxy (8x32 64B, caches off). Every worker is a process that gets
// the same fixed share of a core, in percent, whatever their number; load and backend have the last core for themselves
// and are never what ends first. Where no control group can be made it says why, and rates per core are compared. A run
// counts only if the backend served what the load got. Ends with 1 when the rate does not grow as it must.

import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { resultLine, thisMachine } from "../common/json-output.ts";
import { readFlags } from "../common/script-flags.ts";
import { ferryProxy } from "./peers/ferry-proxy.ts";
import { endChildrenWithUs } from "./peers/peer.ts";
import { cpuMsOf, processesOf } from "./peers/process-figures.ts";
import { madeBy, writePart } from "./performance-page.ts";
import { runLoad } from "./proxy-load.ts";
import { type Backend, startBackend } from "./proxy-measure.ts";
import { CpuShares } from "./workers/cpu-shares.ts";
import { formatWorkers, reportWorkers, scalingMust, type WorkersMeasurement, workersPart } from "./workers/report.ts";

interface Options {
  readonly counts: readonly number[];
  /** Of a core, for each worker. */
  readonly share: number;
  readonly runs: number;
  readonly seconds: number;
  readonly isJson: boolean;
  readonly mayWrite: boolean;
}

interface Setting extends Options {
  readonly backend: Backend;
  /** Undefined: workers take what they get. */
  readonly shares: CpuShares | undefined;
  /** What the proxy's processes are bound to, as taskset has it. */
  readonly cores: string;
  readonly loadCore: number;
}

const warmUpRequests = 40_000;

function readOptions(cores: number): Options | string {
  const values = readFlags("bench:workers", {
    counts: { type: "string", default: "1,2" },
    share: { type: "string", default: "40" },
    runs: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  });
  const counts = values.counts.split(",").map(Number);
  const [share = 0, runs = 0, seconds = 0] = [values.share, values.runs, values.seconds].map(Number);
  const most = Math.max(...counts);
  if (!counts.every((count) => Number.isInteger(count) && count >= 1 && count <= 64)) {
    return `--counts ${values.counts}: expected whole numbers from 1 to 64, as 1,2`;
  }
  // What is left of their cores is for the process that holds them.
  const mostShare = Math.floor((90 * Math.max(1, cores - 1)) / most);
  if (!(share >= 1 && share <= mostShare)) {
    return `--share ${values.share}: expected 1 to ${mostShare}, so that ${most} workers leave the load a core`;
  }
  if (!(runs >= 1 && runs <= 100 && seconds >= 0.1 && seconds <= 60)) {
    return `--runs ${values.runs} --seconds ${values.seconds}: expected 1 to 100 runs of 0.1 to 60 seconds`;
  }
  return { counts, share: share / 100, runs, seconds, isJson: values.json, mayWrite: values.write };
}

async function measure(setting: Setting, workers: number, run: number): Promise<WorkersMeasurement> {
  const { backend, shares, share, cores, loadCore, seconds } = setting;
  const params = { backendPort: backend.port, folder: "", workers, tls: undefined, cores };
  const running = await ferryProxy.start(params);
  try {
    const [control = 0, ...children] = processesOf(running.pid!);
    // One worker is the process itself.
    const limited = children.length === 0 ? [control] : children;
    if (limited.length !== workers) throw new Error(`${workers} workers: found ${limited.length} processes`);
    for (const pid of limited) shares?.give(pid, share);
    const plan = {
      ...{ port: running.port, path: "/bench.Bench/Echo", connections: 8 * workers, streams: 32, messageBytes: 64 },
      ...({ reply: undefined, headers: "varying", ratePerSecond: 0, uncounted: 0, tls: undefined } as const),
    };
    await runLoad({ ...plan, requests: warmUpRequests * workers }, loadCore, 60_000);
    const { rps } = await runLoad({ ...plan, requests: warmUpRequests * workers }, loadCore, 60_000);
    const before = await backend.served();
    const [cpuBefore, controlBefore] = [running.cpuMs()!, cpuMsOf(control)];
    const figures = await runLoad({ ...plan, requests: Math.round(rps * seconds) }, loadCore, 120_000);
    // While the load generator starts, the proxy has nothing to do.
    const tookMs = figures.seconds * 1000;
    const cpu = (running.cpuMs()! - cpuBefore) / tookMs;
    const controlCpu = children.length === 0 ? 0 : (cpuMsOf(control) - controlBefore) / tookMs;
    const served = (await backend.served()) - before;
    if (figures.errors > 0 || served !== figures.answered) {
      const what = `${figures.errors} calls failed, the backend served ${served}, the load got ${figures.answered}`;
      throw new Error(`${workers} workers: ${what} ${figures.error}`);
    }
    return { run, workers, rps: figures.rps, cpu, controlCpu };
  } finally {
    await running.stop();
    shares?.close();
  }
}

async function main(args: readonly string[]): Promise<number> {
  const machine = thisMachine();
  const cpus = availableParallelism();
  const options = cpus < 2 ? "needs two cores, one for load and backend" : readOptions(cpus);
  if (typeof options === "string") {
    console.error(`bench:workers: ${options}`);
    return 2;
  }
  const opened = CpuShares.open();
  const why = typeof opened === "string" ? opened : undefined;
  const shares = typeof opened === "string" ? undefined : opened;
  const made = madeBy("bench:workers", args);
  const loadCore = cpus - 1;
  // With shares the workers leave the load its core; without, the last of them may have to share it.
  const last = shares === undefined ? Math.min(cpus - 1, Math.max(...options.counts) - 1) : cpus - 2;
  const cores = last === 0 ? "0" : `0-${last}`;
  execFileSync("taskset", ["-acp", String(loadCore), String(process.pid)], { stdio: "ignore" });
  const backend = await startBackend(loadCore);
  const measurements: WorkersMeasurement[] = [];
  try {
    const setting = { ...options, backend, shares, cores, loadCore };
    for (let run = 0; run < options.runs; run++) {
      for (const workers of run % 2 === 0 ? options.counts : options.counts.toReversed()) {
        const measurement = await measure(setting, workers, run);
        measurements.push(measurement);
        const { rps, cpu } = measurement;
        console.error(`run ${run + 1}: ${workers} workers: ${Math.round(rps)} req/s with ${cpu.toFixed(2)} cores`);
      }
    }
  } finally {
    backend.stop();
  }
  const report = reportWorkers(measurements, shares !== undefined);
  const must = scalingMust(report);
  const alone = `load and backend have core ${loadCore}.`;
  const how =
    why === undefined
      ? `Each worker has ${options.share * 100} % of a core, on core ${cores}; ${alone}`
      : `No fixed shares (${why}), so rates per core are compared: workers on core ${cores}, ${alone}`;
  if (options.mayWrite) writePart("bench:workers", workersPart(made, how, report));
  const { share, runs, seconds } = options;
  const asked = { machine, hasShares: why === undefined, why, share, runs, seconds, placement: how };
  if (options.isJson) console.log(resultLine("bench:workers", must.isMet === true, { ...asked, ...report, must }));
  else console.log(`${how}\n\n${formatWorkers(report.rows)}\n\nscaling ${report.scaling}, expected ${must.expected}`);
  return must.isMet === true ? 0 : 1;
}

endChildrenWithUs();
process.exitCode = await main(process.argv.slice(2));
