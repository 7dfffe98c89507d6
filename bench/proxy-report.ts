// Makes the benchmark's rows and ratios out of its measurements, and tables for people out of the rows. Pure. Called by
// proxy.ts; what the ratios should be is in proxy-musts.ts.

import { median } from "./percentile.ts";
import { plainTwinOf } from "./proxy-profiles.ts";

/** One peer and workload in one run. */
export interface Measurement {
  /** 0, 1, …: ratios are made within a run. */
  readonly run: number;
  readonly profile: string;
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
  readonly profile: string;
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
  readonly profile: string;
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
   * both. Where one command measures several profiles, theirs stands behind the cache.
   */
  readonly ratios: Ratios;
  /** The same of a peer's rps by mTLS and its plaintext in the same run; ours are both `ferry proxy`. */
  readonly mtlsOfPlain: Ratios;
}

/** `what is compared -> peer -> ratio`. */
export type Ratios = Readonly<Record<string, Readonly<Record<string, number>>>>;

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
    const { profile, peer, cache, workload } = measurement;
    const reason = rejectionOf(measurement);
    const key = `${nameOf(measurement)} ${profile} ${peer}`;
    if (reason !== undefined) rejected.push({ profile, peer, cache, workload, reason });
    else groups.set(key, [...(groups.get(key) ?? []), measurement]);
  }
  const counted = [...groups.values()].flat();
  const rows = [...groups.values()].map(makeRow);
  return { rows, rejected, ratios: makeRatios(counted), mtlsOfPlain: compareProfiles(counted) };
}

function makeRow(group: readonly Measurement[]): Row {
  const { profile, peer, cache, workload } = group[0]!;
  const middle = (pick: (measurement: Measurement) => number) => Math.round(median(group.map(pick)));
  const sum = (pick: (measurement: Measurement) => number) => group.reduce((total, one) => total + pick(one), 0);
  const cpus = group.flatMap(({ cpu }) => cpu ?? []);
  const rss = group.flatMap(({ rssMb }) => rssMb ?? []);
  const perCore = group.flatMap(({ rps, cpu }) => (cpu === undefined || cpu === 0 ? [] : rps / cpu));
  return {
    ...{ profile, peer, cache, workload },
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

/** Which measurements are set against each other, and by what. */
export interface Comparison {
  isOf(measurement: Measurement): boolean;
  isTo(measurement: Measurement): boolean;
  figure(measurement: Measurement): number;
}

/** The median over the runs that have both of one figure by the other; undefined when none has. */
export function medianRatio(
  measurements: readonly Measurement[],
  { isOf, isTo, figure }: Comparison,
): number | undefined {
  const bases = measurements.filter(isTo);
  const found = measurements
    .filter(isOf)
    .flatMap((one) => bases.filter(({ run }) => run === one.run).map((base) => figure(one) / figure(base)));
  return found.length === 0 ? undefined : median(found);
}

function makeRatios(measurements: readonly Measurement[]): Ratios {
  const hasSeveral = new Set(measurements.map(({ profile }) => profile)).size > 1;
  const name = (one: Measurement) => (hasSeveral ? `${nameOf(one)}, ${one.profile}` : nameOf(one));
  return ratiosBy(measurements, name, (one, peer) => ({
    isOf: (other) => name(other) === one && other.peer === peer,
    isTo: (other) => name(other) === one && other.peer === "haproxy",
    figure: ({ rps }) => rps,
  }));
}

function compareProfiles(measurements: readonly Measurement[]): Ratios {
  return ratiosBy(measurements, nameOf, (name, peer) => ({
    isOf: (one) => nameOf(one) === name && one.profile === "mtls" && one.peer === peer,
    isTo: (one) => nameOf(one) === name && one.profile === "plain" && one.peer === plainTwinOf(peer),
    figure: ({ rps }) => rps,
  }));
}

/** Names and peers for which there is nothing to compare are left out. */
function ratiosBy(
  measurements: readonly Measurement[],
  nameBy: (measurement: Measurement) => string,
  compare: (name: string, peer: string) => Comparison,
): Ratios {
  const peers = [...new Set(measurements.map(({ peer }) => peer))];
  const ratios: Record<string, Record<string, number>> = {};
  for (const name of new Set(measurements.map(nameBy))) {
    const found = peers.flatMap((peer) => {
      const ratio = medianRatio(measurements, compare(name, peer));
      return ratio === undefined ? [] : [[peer, round(ratio)] as const];
    });
    if (found.length > 0) ratios[name] = Object.fromEntries(found);
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

/** The rows of one profile and kind of header as a Markdown table, the fastest peer of each workload first. */
export function formatTable(rows: readonly Row[], ratioOf: (row: Row) => number | undefined): string {
  const lines = [
    "| workload | peer | req/s | x HAProxy | MB/s | p50 us | p99 us | cpu | req/s per core | RSS MB |",
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
  ];
  for (const name of new Set(rows.map(({ workload }) => workload))) {
    const sorted = rows.filter(({ workload }) => workload === name).sort((a, b) => b.rps - a.rps);
    for (const row of sorted) {
      const { peer, rps, mbps, p50Us, p99Us, cpu, rpsPerCore, rssMb } = row;
      const rates = `${rps.toLocaleString("en")} | ${ratioOf(row)?.toFixed(2) ?? ""} | ${mbps}`;
      const core = `${cpu ?? ""} | ${rpsPerCore?.toLocaleString("en") ?? ""} | ${rssMb ?? ""}`;
      lines.push(`| ${name} | ${peer} | ${rates} | ${p50Us} | ${p99Us} | ${core} |`);
    }
  }
  return lines.join("\n");
}

/** A table for each profile and kind of header, under its name. */
export function formatTables({ rows, ratios }: Report): string {
  const kinds = [...new Set(rows.map(({ profile, cache }) => `${profile}, caches ${cache}`))];
  const ratioOf = (row: Row) => (ratios[nameOf(row)] ?? ratios[`${nameOf(row)}, ${row.profile}`])?.[row.peer];
  const table = (kind: string) =>
    formatTable(
      rows.filter(({ profile, cache }) => `${profile}, caches ${cache}` === kind),
      ratioOf,
    );
  return kinds.map((kind) => `### ${kind}\n\n${table(kind)}`).join("\n\n");
}
