// V8's lines about its collections, as `--trace-gc-nvp` writes them: what each paused, and what was allocated before.
// Pure. Called by measure.ts.

import { percentile } from "../percentile.ts";

export interface Collection {
  readonly kind: CollectionKind;
  /** The program stood still. */
  readonly pauseMs: number;
  /** In V8's heap since the collection before; buffers outside of it are not among them. */
  readonly allocatedBytes: number;
  /** To give memory back, as one that we ask for by the inspector; one that V8 needs to go on is not. */
  readonly isForced: boolean;
}

export type CollectionKind = "scavenge" | "mark-sweep" | "minor mark-sweep";

export interface CollectionRow {
  readonly kind: CollectionKind;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** V8's short names. */
const kinds: Readonly<Record<string, CollectionKind>> = {
  s: "scavenge",
  mc: "mark-sweep",
  ms: "mark-sweep",
  mms: "minor mark-sweep",
};

const linePattern =
  /^\[\d+:0x[0-9a-f]+(?::\d+)?\]\s+\d+ ms: pause=([\d.]+) .*\bgc=(\w+) reduce_memory=(\d) .*\ballocated=(\d+) /;

/** Undefined for a line that is none of these. */
export function readCollection(line: string): Collection | undefined {
  const found = linePattern.exec(line);
  const kind = kinds[found?.[2] ?? ""];
  if (found === null || kind === undefined) return undefined;
  return { kind, pauseMs: Number(found[1]), allocatedBytes: sizeOf(found[4]), isForced: found[3] === "1" };
}

/** V8 writes a difference without a sign: behind a forced collection it can be below zero, which wraps. */
function sizeOf(text: string | undefined): number {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : 0;
}

export function summarise(collections: readonly Collection[]): readonly CollectionRow[] {
  return [...new Set(collections.map(({ kind }) => kind))].map((kind) => {
    const pauses = collections.filter((one) => one.kind === kind).map(({ pauseMs }) => pauseMs);
    const sorted = pauses.sort((a, b) => a - b);
    const figures = { p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), maxMs: sorted.at(-1) ?? 0 };
    return { kind, count: sorted.length, ...figures };
  });
}
