// One-core throughput and latency of our sidecar beside other proxies, in one run on one machine:
//
//   npm run bench:proxy -- [--profile plain,mtls,bare] [--peers ferry,haproxy,…] [--workloads "8x32 64B,…"]
//       [--caches on,off] [--runs N] [--seconds S] [--workers N] [--least-ratio R] [--json] [--write]
//
// The proxy is bound to core 0; load generator, backend and this process share core 1. Peers take turns within a run,
// backwards in every other run, and each row is the median over the runs. A row counts only if the backend served
// exactly what the load got whole and a grpc-js probe saw status 0 and its own payload. See bench/README.md.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { resultLine, thisMachine } from "../common/json-output.ts";
import { orExit } from "../common/script-flags.ts";
import { formatMusts } from "./musts.ts";
import { findProgram } from "./peers/find-program.ts";
import { endChildrenWithUs } from "./peers/peer.ts";
import { writeTlsFiles } from "./peers/tls-files.ts";
import { madeBy, writePart } from "./performance-page.ts";
import { coresOf, findHalfRates, loadCore, measurePeer, type Setting, startBackend } from "./proxy-measure.ts";
import { judgeSpeed } from "./proxy-musts.ts";
import { type ProxyOptions, readProxyOptions } from "./proxy-options.ts";
import { type Left, placement, proxyPart } from "./proxy-page.ts";
import { type Contender, profiles } from "./proxy-profiles.ts";
import { formatTables, type Measurement, makeReport, nameOf, type Report } from "./proxy-report.ts";

/** Where CI holds our rate against HAProxy's. */
const guardedWorkload = "8x32 64B";

/** Why nothing can be measured on this machine; undefined when it can. */
function obstacle(): string | undefined {
  if (availableParallelism() < 2) return "needs two cores, one for the proxy and one for load and backend";
  return findProgram("taskset") === undefined ? "taskset is not installed (Debian: util-linux)" : undefined;
}

/** Every run through every contender; who fails is left out of that run and told. */
async function play(
  setting: Setting,
  { contenders, profiles: asked, runs }: ProxyOptions,
  failed: Left[],
): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  const trying = async ({ profile, peer }: Contender, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failed.push({ profile, peer: peer.name, reason });
      setting.log(`${profile} ${peer.name}: ${reason}`);
    }
  };
  for (const profile of asked) {
    const ours = { profile, peer: profiles[profile][0]! };
    await trying(ours, () => findHalfRates(setting, ours));
  }
  for (let run = 0; run < runs; run++) {
    setting.log(`run ${run + 1} of ${runs}`);
    for (const contender of run % 2 === 0 ? contenders : contenders.toReversed()) {
      await trying(contender, async () => {
        measurements.push(...(await measurePeer(setting, contender, run)));
      });
    }
  }
  return measurements;
}

/** What our rate is too low in; empty when CI is content. */
function tooSlow({ rows, ratios }: Report, leastRatio: number): readonly string[] {
  return rows
    .filter(({ peer, workload }) => peer === "ferry" && workload === guardedWorkload)
    .flatMap((row) => {
      const ratio = (ratios[nameOf(row)] ?? ratios[`${nameOf(row)}, ${row.profile}`])?.ferry ?? 0;
      const what = `${row.profile} ${nameOf(row)}: ${ratio.toFixed(2)} of HAProxy's rate`;
      return ratio < leastRatio ? [`too slow: ${what}, expected ${leastRatio} or more`] : [];
    });
}

/** What one invocation found. */
interface Played {
  readonly measurements: readonly Measurement[];
  readonly report: Report;
  readonly halfRates: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly missing: readonly Left[];
  readonly failed: readonly Left[];
}

async function playAll(options: ProxyOptions, log: (line: string) => void): Promise<Played> {
  const reasonOf = ({ profile, peer }: Contender) =>
    peer.obstacle({ isTls: profile === "mtls", workers: options.workers });
  const contenders = options.contenders.filter((contender) => reasonOf(contender) === undefined);
  const missing = options.contenders.flatMap((contender) => {
    const reason = reasonOf(contender);
    return reason === undefined ? [] : [{ profile: contender.profile, peer: contender.peer.name, reason }];
  });
  const failed: Left[] = [];
  const folder = mkdtempSync(join(tmpdir(), "ferry-bench-"));
  const backend = await startBackend(loadCore);
  const halfRates = new Map<string, number>();
  try {
    const setting = { ...options, folder, backend, tls: writeTlsFiles(folder), halfRates, log };
    const measurements = await play(setting, { ...options, contenders }, failed);
    const named = contenders.flatMap(({ peer }) => (peer.version === undefined ? [] : [[peer.name, peer.version()]]));
    const versions = Object.fromEntries(named) as Record<string, string>;
    const report = makeReport(measurements);
    return { measurements, report, halfRates: Object.fromEntries(halfRates), versions, missing, failed };
  } finally {
    backend.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(args: readonly string[]): Promise<number> {
  const options = orExit("bench:proxy", () => readProxyOptions(args));
  const problem = typeof options === "string" ? options : obstacle();
  if (typeof options === "string" || problem !== undefined) {
    console.error(`bench:proxy: ${problem}`);
    return typeof options === "string" ? 2 : 1;
  }
  const log = (line: string) => (options.isJson ? console.error(line) : console.log(line));
  // Before we bind ourselves to one core, which is all that Node would then count.
  const machine = thisMachine();
  const made = madeBy("bench:proxy", args);
  execFileSync("taskset", ["-acp", String(loadCore), String(process.pid)], { stdio: "ignore" });
  const { measurements, report, halfRates, versions, missing, failed } = await playAll(options, log);
  for (const { profile, peer, reason, ...what } of report.rejected) {
    log(`not counted: ${profile} ${peer} ${nameOf(what)}: ${reason}`);
  }
  for (const { profile, peer, reason } of missing) log(`missing: ${profile} ${peer}: ${reason}`);
  const slow = options.leastRatio > 0 ? tooSlow(report, options.leastRatio) : [];
  for (const line of slow) log(line);
  const musts = judgeSpeed(measurements);
  const isOk = report.rejected.length === 0 && failed.length === 0 && slow.length === 0;
  const where = placement(coresOf(options.workers), loadCore);
  if (options.mayWrite) {
    const left = [...missing, ...failed];
    writePart("bench:proxy", proxyPart({ ...{ made, where, report, musts, halfRates, versions, left } }));
  }
  if (options.isJson) {
    const { runs, seconds, workers } = options;
    const asked = { profile: options.profiles.join(","), runs, seconds, workers, placement: where, versions };
    const left = { missing: [...new Set(missing.map(({ peer }) => peer))], missingWhy: missing, failed };
    console.log(resultLine("bench:proxy", isOk, { machine, ...asked, halfRates, ...report, musts, ...left }));
  } else {
    console.log(`\n${formatTables(report)}\n\n${formatMusts(musts)}\n\n${where}`);
  }
  return isOk ? 0 : 1;
}

endChildrenWithUs();
process.exitCode = await main(process.argv.slice(2));
