// What bench:workers found: rows, scaling, and its part of docs/performance.md. Pure.

import { formatMusts, judge, type Must } from "../musts.ts";
import { median } from "../percentile.ts";

/** One number of workers in one run. */
export interface WorkersMeasurement {
  readonly run: number;
  readonly workers: number;
  readonly rps: number;
  /** Processor time of all its processes by wall time. */
  readonly cpu: number;
  /** The same of the process that holds the workers, where they are processes of their own. */
  readonly controlCpu: number;
}

/** Medians over the runs. */
export interface WorkersRow {
  readonly workers: number;
  readonly rps: number;
  readonly cpu: number;
  readonly controlCpu: number;
  readonly rpsPerCore: number;
}

export interface WorkersReport {
  readonly rows: readonly WorkersRow[];
  /**
   * The most workers by one, the median over the runs: rate by rate where each has a fixed share of a core; else
   * workers times rate per core, since load and workers share cores.
   */
  readonly scaling: number | undefined;
}

export function reportWorkers(measurements: readonly WorkersMeasurement[], hasShares: boolean): WorkersReport {
  const counts = [...new Set(measurements.map(({ workers }) => workers))].sort((a, b) => a - b);
  const rows = counts.map((workers) => {
    const same = measurements.filter((one) => one.workers === workers);
    const middle = (pick: (one: WorkersMeasurement) => number) => median(same.map(pick));
    const [cpu, controlCpu] = [middle((one) => one.cpu), middle((one) => one.controlCpu)].map(round);
    const [rps, rpsPerCore] = [middle((one) => one.rps), middle((one) => one.rps / one.cpu)].map(Math.round);
    return { workers, rps: rps!, cpu: cpu!, controlCpu: controlCpu!, rpsPerCore: rpsPerCore! };
  });
  const most = counts.at(-1) ?? 1;
  const figure = ({ workers, rps, cpu }: WorkersMeasurement) => (hasShares ? rps : (workers * rps) / cpu);
  const ones = measurements.filter(({ workers }) => workers === 1);
  const ratios = measurements
    .filter(({ workers }) => workers === most && workers > 1)
    .flatMap((one) => ones.filter(({ run }) => run === one.run).map((base) => figure(one) / figure(base)));
  return { rows, scaling: ratios.length === 0 ? undefined : round(median(ratios)) };
}

/** 1.8 by two, and in that proportion by more. */
export function scalingMust({ rows, scaling }: WorkersReport): Must {
  const most = rows.at(-1)?.workers ?? 1;
  return judge({ what: `rate of ${most} workers by one's`, sign: ">=", bound: round(0.9 * most) }, scaling);
}

export function formatWorkers(rows: readonly WorkersRow[]): string {
  const lines = rows.map(({ workers, rps, cpu, controlCpu, rpsPerCore }) => {
    return `| ${workers} | ${rps.toLocaleString("en")} | ${cpu} | ${controlCpu} | ${rpsPerCore.toLocaleString("en")} |`;
  });
  const head = "| workers | req/s | cores used | of these by the control part | req/s per core |";
  return [head, "|---:|---:|---:|---:|---:|", ...lines].join("\n");
}

export function workersPart(made: string, how: string, report: WorkersReport): string {
  return [made, how, formatMusts([scalingMust(report)]), formatWorkers(report.rows)].join("\n\n");
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
