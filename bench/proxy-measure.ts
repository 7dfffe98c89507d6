// Runs the workloads of the proxy benchmark through one peer: starts it, warms it up, measures, ends it. Also holds the
// backend's process. Called by proxy.ts, in its order.

import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunningPeer } from "./peers/peer.ts";
import type { TlsFiles } from "./peers/tls-files.ts";
import { runLoad, type Workload } from "./proxy-load.ts";
import type { ProxyOptions } from "./proxy-options.ts";
import { Probe } from "./proxy-probe.ts";
import type { Contender } from "./proxy-profiles.ts";
import type { Measurement } from "./proxy-report.ts";
import type { LoadPlan } from "./wire/load-plan.ts";

export const loadCore = 1;
// A method that the released contracts mark as free of side effects, so that the sidecar keeps it for a retry.
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
/** While the load generator itself is being compiled. */
const uncountedSeconds = 0.5;

export interface Backend {
  readonly port: number;
  served(): Promise<number>;
  stop(): void;
}

/** What every measurement of one invocation shares. */
export interface Setting extends Pick<ProxyOptions, "workloads" | "caches" | "seconds" | "workers"> {
  /** For what peers write. */
  readonly folder: string;
  readonly backend: Backend;
  readonly tls: TlsFiles;
  /** The calls per second of workloads at half, by rateKey; filled by findHalfRates. */
  readonly halfRates: Map<string, number>;
  log(line: string): void;
}

export async function startBackend(core: number): Promise<Backend> {
  const file = fileURLToPath(new URL("peers/backend.ts", import.meta.url));
  const child = fork(file, { execArgv: [] });
  execFileSync("taskset", ["-acp", String(core), String(child.pid)], { stdio: "ignore" });
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

/** A peer that is up, in one of the runs. */
interface UnderTest extends Contender {
  readonly run: number;
  readonly running: RunningPeer;
}

interface Shape {
  readonly workload: Workload;
  readonly cache: Measurement["cache"];
}

const rateKey = (profile: string, cache: string) => `${profile}, caches ${cache}`;

/** All workloads through one contender, started for them and ended behind them. */
export async function measurePeer(
  setting: Setting,
  contender: Contender,
  run: number,
): Promise<readonly Measurement[]> {
  return await whileUp(setting, contender, async (running) => {
    const first = { workload: setting.workloads[0]!, cache: setting.caches[0]! };
    await settle(setting, planOf(setting, { ...contender, run, running }, first));
    const measurements: Measurement[] = [];
    for (const workload of setting.workloads) {
      for (const cache of setting.caches) {
        measurements.push(await measure(setting, { ...contender, run, running }, { workload, cache }));
        const { rps, p50Us, p99Us } = measurements.at(-1)!;
        const what = `${contender.profile} ${contender.peer.name} ${workload.name}, caches ${cache}`;
        setting.log(`${what}: ${Math.round(rps)} req/s, p50 ${p50Us} us, p99 ${p99Us} us`);
      }
    }
    return measurements;
  });
}

/** Finds, by `contender`, what half of our own saturation is, for each kind of header. */
export async function findHalfRates(setting: Setting, contender: Contender): Promise<void> {
  const workload = setting.workloads.find(({ isAtHalf }) => isAtHalf);
  if (workload === undefined) return;
  await whileUp(setting, contender, async (running) => {
    for (const cache of setting.caches) {
      const plan = planOf(setting, { ...contender, run: 0, running }, { workload, cache });
      await settle(setting, plan);
      const rps = await warmUp(setting, plan, workload);
      const { rps: saturated } = await load(setting, { ...plan, requests: Math.round(rps * setting.seconds) });
      setting.halfRates.set(rateKey(contender.profile, cache), Math.round(saturated / 2));
      const name = rateKey(contender.profile, cache);
      setting.log(`half of our saturation, ${name}: ${Math.round(saturated / 2)} calls a second`);
    }
  });
}

async function whileUp<T>(
  { folder, backend, tls, workers }: Setting,
  { peer, profile }: Contender,
  use: (running: RunningPeer) => Promise<T>,
): Promise<T> {
  const running = await peer.start({
    ...{ backendPort: backend.port, workers, tls: profile === "mtls" ? tls : undefined },
    folder: mkdtempSync(join(folder, `${peer.name}-`)),
    cores: coresOf(workers),
  });
  try {
    return await use(running);
  } finally {
    await running.stop();
  }
}

/** Cores 0 to N - 1: with more than one worker the load's own core is among them. */
export function coresOf(workers: number): string {
  return workers === 1 ? "0" : `0-${workers - 1}`;
}

function planOf({ tls }: Setting, { profile, running }: UnderTest, { workload, cache }: Shape): LoadPlan {
  return {
    ...{ port: running.port, path, ...workload.shape, requests: workload.warmUpRequests },
    ...{ uncounted: 0, ratePerSecond: 0 },
    headers: cache === "on" ? "repeated" : "varying",
    tls: profile === "mtls" ? tls.client : undefined,
  };
}

function load({ seconds }: Setting, plan: LoadPlan) {
  return runLoad(plan, loadCore, seconds * 10_000 + 30_000);
}

/**
 * A peer that has just started is given what is measured for some seconds: engines with a compiler and a growing heap
 * take so long until they are as they stay (ours and node:http2's, by 30 % on the machine this was written on).
 */
async function settle(setting: Setting, plan: LoadPlan): Promise<void> {
  const { rps } = await load(setting, plan);
  await load(setting, { ...plan, requests: Math.round(rps * settleSeconds) });
}

const settleSeconds = 3;

/** Twice, since the first compiles what is hot; returns the rate of the second. */
async function warmUp(setting: Setting, plan: LoadPlan, { warmUpRequests: requests }: Workload): Promise<number> {
  await load(setting, { ...plan, requests });
  return (await load(setting, { ...plan, requests })).rps;
}

async function measure(setting: Setting, under: UnderTest, shape: Shape): Promise<Measurement> {
  const { backend, seconds, halfRates, tls } = setting;
  const { profile, peer, run, running } = under;
  const { workload, cache } = shape;
  const plan = planOf(setting, under, shape);
  const saturated = await warmUp(setting, plan, workload);
  const ratePerSecond = workload.isAtHalf ? (halfRates.get(rateKey(profile, cache)) ?? 0) : 0;
  const rps = ratePerSecond || saturated;
  const requests = Math.max(100, Math.round(rps * seconds));
  const uncounted = Math.round(Math.min(requests / 4, rps * uncountedSeconds));

  const before = await backend.served();
  const probe = new Probe(running.port, path, plan.tls && tls.client);
  const cpuBeforeMs = running.cpuMs();
  const figures = await load(setting, { ...plan, ratePerSecond, requests, uncounted });
  const cpuAfterMs = running.cpuMs();
  const { calls, problems } = await probe.stop();
  const served = (await backend.served()) - before - calls;
  return {
    ...{ run, profile, peer: peer.name, cache, workload: workload.name },
    rps: figures.rps,
    mbps: figures.bytesPerSecond / 1e6,
    p50Us: figures.p50Us,
    p99Us: figures.p99Us,
    cpu: cpuBeforeMs === undefined ? undefined : (cpuAfterMs! - cpuBeforeMs) / (figures.seconds * 1000),
    rssMb: running.rssMb(),
    errors: figures.errors,
    served,
    answered: figures.answered,
    probeProblems: problems,
  };
}
