// Makes the benchmark's rows out of its measurements, and the table for people out of the rows. Pure. Called by
// proxy.ts.

import { median } from "./percentile.ts";

/** One peer and workload in one run. */
export interface Measurement {
  /** 0, 1, …: ratios are made within a run. */
  readonly run: number;
  readonly peer: string;
  /** Whether the load's headers repeat, so that whole-block caches can hit. */
  readonly cache: "on" | "off";
  readonly workload: string;
  readonly rps: number;
  /** Payload received by the load, MB/s. */
  readonly mbps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Processor time of the proxy by wall time; undefined for `direct`. */
  readonly cpu: number | undefined;
  /** Resident memory of the proxy behind the run; undefined for `direct`. */
  readonly rssMb: number | undefined;
  readonly errors: number;
  /** What the backend says it served for the load, the probe's calls taken off. */
  readonly served: number;
  /** What the load generator got whole. */
  readonly answered: number;
  readonly probeProblems: readonly string[];
}

/** Medians over the runs; errors and served are sums. */
export interface Row {
  readonly peer: string;
  readonly cache: "on" | "off";
  readonly workload: string;
  readonly rps: number;
  readonly mbps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** The share of its core that the proxy had; well below 1 at many streams means that others had the rest. */
  readonly cpu: number | undefined;
  /** rps / cpu: what a core of its own would have given, as far as that can be told. */
  readonly rpsPerCore: number | undefined;
  readonly rssMb: number | undefined;
  readonly errors: number;
  readonly served: number;
  readonly runs: number;
}

/** A measurement that does not count, and why. */
export interface Rejection {
  readonly peer: string;
  readonly cache: "on" | "off";
  readonly workload: string;
  readonly reason: string;
}

export interface Report {
  readonly rows: readonly Row[];
  readonly rejected: readonly Rejection[];
  /**
   * `workload and cache -> peer -> rps as a multiple of HAProxy's in the same run`, the median over the runs that had
   * both.
   */
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
    const { peer, cache, workload } = measurement;
    const reason = rejectionOf(measurement);
    const key = `${nameOf(measurement)} ${peer}`;
    if (reason !== undefined) rejected.push({ peer, cache, workload, reason });
    else groups.set(key, [...(groups.get(key) ?? []), measurement]);
  }
  const rows = [...groups.values()].map(makeRow);
  return { rows, rejected, ratios: makeRatios([...groups.values()].flat()) };
}

function makeRow(group: readonly Measurement[]): Row {
  const { peer, cache, workload } = group[0]!;
  const middle = (pick: (measurement: Measurement) => number) => Math.round(median(group.map(pick)));
  const sum = (pick: (measurement: Measurement) => number) => group.reduce((total, one) => total + pick(one), 0);
  const cpus = group.flatMap(({ cpu }) => cpu ?? []);
  const rss = group.flatMap(({ rssMb }) => rssMb ?? []);
  const perCore = group.flatMap(({ rps, cpu }) => (cpu === undefined || cpu === 0 ? [] : rps / cpu));
  return {
    peer,
    cache,
    workload,
    rps: middle(({ rps }) => rps),
    mbps: middle(({ mbps }) => mbps),
    p50Us: middle(({ p50Us }) => p50Us),
    p99Us: middle(({ p99Us }) => p99Us),
    cpu: cpus.length === 0 ? undefined : round(median(cpus)),
    rpsPerCore: perCore.length === 0 ? undefined : Math.round(median(perCore)),
    rssMb: rss.length === 0 ? undefined : Math.round(median(rss)),
    errors: sum(({ errors }) => errors),
    served: sum(({ served }) => served),
    runs: group.length,
  };
}

function makeRatios(measurements: readonly Measurement[]): Report["ratios"] {
  const bases = measurements.filter(({ peer }) => peer === "haproxy");
  const ratios: Record<string, Record<string, number>> = {};
  for (const name of new Set(bases.map(nameOf))) {
    const same = measurements.filter((one) => nameOf(one) === name);
    const peers = [...new Set(same.map(({ peer }) => peer))];
    ratios[name] = Object.fromEntries(
      peers.map((peer) => {
        const found = same
          .filter((one) => one.peer === peer)
          .flatMap(({ run, rps }) =>
            bases.filter((base) => nameOf(base) === name && base.run === run).map((base) => rps / base.rps),
          );
        return [peer, round(median(found))];
      }),
    );
  }
  return ratios;
}

/** What is compared with each other: a workload with one kind of header. */
export function nameOf({ workload, cache }: { readonly workload: string; readonly cache: string }): string {
  return `${workload}, caches ${cache}`;
}

function round(ratio: number): number {
  return Math.round(ratio * 100) / 100;
}

/** The rows as a Markdown table, the fastest peer of each workload first. */
export function formatTable({ rows, ratios }: Report): string {
  const lines = [
    "| workload | peer | req/s | x HAProxy | MB/s | p50 us | p99 us | cpu | req/s per core | RSS MB |",
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
  ];
  for (const name of new Set(rows.map(nameOf))) {
    const sorted = rows.filter((row) => nameOf(row) === name).sort((a, b) => b.rps - a.rps);
    for (const { peer, rps, mbps, p50Us, p99Us, cpu, rpsPerCore, rssMb } of sorted) {
      const ratio = ratios[name]?.[peer]?.toFixed(2) ?? "";
      const rates = `${rps.toLocaleString("en")} | ${ratio} | ${mbps}`;
      const core = `${cpu ?? ""} | ${rpsPerCore?.toLocaleString("en") ?? ""} | ${rssMb ?? ""}`;
      lines.push(`| ${name} | ${peer} | ${rates} | ${p50Us} | ${p99Us} | ${core} |`);
    }
  }
  return lines.join("\n");
}
