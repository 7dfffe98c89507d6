// Makes the benchmark's rows out of its measurements, and the table for people out of the rows. Pure. Called by
// proxy.ts.

import { median } from "./percentile.ts";

/** One peer and workload in one run. */
export interface Measurement {
  readonly peer: string;
  readonly workload: string;
  readonly rps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
  /** What the backend says it served for the load, the probe's calls taken off. */
  readonly served: number;
  /** What the load generator got with a 2xx. */
  readonly answered: number;
  readonly probeProblems: readonly string[];
}

/** Medians over the runs; errors and served are sums. */
export interface Row {
  readonly peer: string;
  readonly workload: string;
  readonly rps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
  readonly served: number;
  readonly runs: number;
}

/** A measurement that does not count, and why. */
export interface Rejection {
  readonly peer: string;
  readonly workload: string;
  readonly reason: string;
}

export interface Report {
  readonly rows: readonly Row[];
  readonly rejected: readonly Rejection[];
  /** `workload -> peer -> rps as a multiple of HAProxy's`, where HAProxy has a row. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Why a measurement does not count; undefined when it does. */
export function rejectionOf(measurement: Measurement): string | undefined {
  const { answered, served, errors, probeProblems } = measurement;
  if (answered === 0) return "nothing was answered";
  if (served !== answered) return `the backend served ${served}, the load got ${answered}`;
  if (errors > 0) return `${errors} requests failed`;
  return probeProblems.length === 0 ? undefined : `the grpc-js probe saw: ${probeProblems[0]}`;
}

export function makeReport(measurements: readonly Measurement[]): Report {
  const rejected: Rejection[] = [];
  const groups = new Map<string, Measurement[]>();
  for (const measurement of measurements) {
    const { peer, workload } = measurement;
    const reason = rejectionOf(measurement);
    if (reason !== undefined) rejected.push({ peer, workload, reason });
    else groups.set(`${workload} ${peer}`, [...(groups.get(`${workload} ${peer}`) ?? []), measurement]);
  }
  const rows = [...groups.values()].map(makeRow);
  return { rows, rejected, ratios: makeRatios(rows) };
}

function makeRow(group: readonly Measurement[]): Row {
  const { peer, workload } = group[0]!;
  const middle = (pick: (measurement: Measurement) => number) => Math.round(median(group.map(pick)));
  const sum = (pick: (measurement: Measurement) => number) => group.reduce((total, one) => total + pick(one), 0);
  return {
    peer,
    workload,
    rps: middle(({ rps }) => rps),
    p50Us: middle(({ p50Us }) => p50Us),
    p99Us: middle(({ p99Us }) => p99Us),
    errors: sum(({ errors }) => errors),
    served: sum(({ served }) => served),
    runs: group.length,
  };
}

function makeRatios(rows: readonly Row[]): Report["ratios"] {
  const ratios: Record<string, Record<string, number>> = {};
  for (const base of rows.filter(({ peer }) => peer === "haproxy")) {
    const same = rows.filter(({ workload }) => workload === base.workload);
    ratios[base.workload] = Object.fromEntries(same.map(({ peer, rps }) => [peer, round(rps / base.rps)]));
  }
  return ratios;
}

function round(ratio: number): number {
  return Math.round(ratio * 100) / 100;
}

/** The rows as a Markdown table, the fastest peer of each workload first. */
export function formatTable({ rows, ratios }: Report): string {
  const lines = ["| workload | peer | req/s | x HAProxy | p50 us | p99 us |", "|---|---|---:|---:|---:|---:|"];
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  for (const workload of workloads) {
    const sorted = rows.filter((row) => row.workload === workload).sort((a, b) => b.rps - a.rps);
    for (const { peer, rps, p50Us, p99Us } of sorted) {
      const ratio = ratios[workload]?.[peer]?.toFixed(2) ?? "";
      lines.push(`| ${workload} | ${peer} | ${rps.toLocaleString("en")} | ${ratio} | ${p50Us} | ${p99Us} |`);
    }
  }
  return lines.join("\n");
}
