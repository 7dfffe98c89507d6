// How a rate limit is written: `100/s`, `100/s burst 20`, or by source as intentions name them, `web=100/s,*=1000/s`.
// A rate without a source is for all callers together; `*` is for each source that has no rate of its own. Pure.

import type { ValueForm } from "./setting.ts";

/** A token bucket's measures. */
export interface Rate {
  /** Calls that may come per millisecond in the long run. */
  readonly perMs: number;
  /** Calls that may come at once. At least 1. */
  readonly burst: number;
  /** As written, for messages: `100/s burst 20`. */
  readonly text: string;
}

export interface RateLimit {
  /** For all callers together. */
  readonly total: Rate | undefined;
  /** For one source each, by service name. */
  readonly bySource: Readonly<Record<string, Rate>>;
  /** For every other source, each by itself. */
  readonly others: Rate | undefined;
}

/** `none`: no limit. */
export const rateLimit: ValueForm<RateLimit | "none"> = {
  expected: "a rate as 100/s or 6000/m burst 20, rates by source as web=100/s,*=1000/s, or none",
  parse(text) {
    if (text === "none") return "none";
    let total: Rate | undefined;
    let others: Rate | undefined;
    const bySource: Record<string, Rate> = {};
    const seen = new Set<string>();
    for (const part of text.split(",")) {
      const [, source = "", count = "", unit = "", burst] = part.trim().match(pattern) ?? [];
      const rate = rateOf(count, unit, burst);
      if (rate === undefined || seen.has(source)) return undefined;
      seen.add(source);
      if (source === "") total = rate;
      else if (source === "*") others = rate;
      else bySource[source] = rate;
    }
    return { total, bySource, others };
  },
};

const pattern = /^(?:(\*|[a-z0-9][a-z0-9._-]{0,62})\s*=\s*)?(\d{1,9})\/([smh])(?:\s+burst\s+(\d{1,9}))?$/;
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

function rateOf(count: string, unit: string, burst: string | undefined): Rate | undefined {
  const perMs = Number(count) / (unitMs[unit] ?? Number.NaN);
  if (!(perMs > 0) || burst === "0") return undefined;
  // What a second brings may come at once, unless the burst is stated.
  const atOnce = burst === undefined ? Math.max(1, Math.ceil(perMs * 1_000)) : Number(burst);
  return { perMs, burst: atOnce, text: `${count}/${unit}${burst === undefined ? "" : ` burst ${burst}`}` };
}
