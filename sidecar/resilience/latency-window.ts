// How long calls of one method took lately: three histograms of ten seconds each, the oldest dropped as a new one
// begins, so that a percentile speaks of the last 20 to 30 seconds. Read by early refusal, hedging and retry. Per
// worker. (Finagle's WindowedPercentileHistogram)
//
// Hot: `observe` runs once per call. Buckets are logarithmic, eight to an octave: a percentile is off by 9 % at most,
// an observation is one logarithm and one addition, and a method costs 1.5 KiB.

import type { MethodLatency } from "../call.ts";

const slots = 3;
const slotMs = 10_000;
/** Bucket 0 is up to 1 ms; bucket n up to 2^(n/8) ms; the last one ends at 60 s and holds all that took longer. */
const bucketsPerOctave = 8;
const buckets = 128;
/** A percentile of fewer calls says nothing. */
const minObservations = 20;
/** A percentile is worked out anew no more often than this. */
const refreshMs = 3_000;

interface Cached {
  percent: number;
  valueMs: number | undefined;
  staleAtMs: number;
}

export class LatencyWindow implements MethodLatency {
  readonly #counts = new Uint32Array(slots * buckets);
  /** Number of the newest slot, counted from the clock's zero. */
  #newest = 0;
  // One for the median, which every call with a deadline asks for, and one for whatever hedging asks for.
  readonly #median: Cached = { percent: 50, valueMs: undefined, staleAtMs: Number.NEGATIVE_INFINITY };
  readonly #other: Cached = { percent: 0, valueMs: undefined, staleAtMs: Number.NEGATIVE_INFINITY };

  /** One successful call took `durationMs`. */
  observe(durationMs: number, nowMs: number): void {
    this.#rotate(nowMs);
    const bucket =
      durationMs <= 1 ? 0 : Math.min(buckets - 1, 1 + Math.floor(Math.log2(durationMs) * bucketsPerOctave));
    this.#counts[(this.#newest % slots) * buckets + bucket]! += 1;
  }

  /** Of the calls seen lately, `percent` % took no longer; undefined while they are fewer than 20. */
  percentileMs(percent: number, nowMs: number): number | undefined {
    const cached = percent === 50 ? this.#median : this.#other;
    if (nowMs < cached.staleAtMs && cached.percent === percent) return cached.valueMs;
    this.#rotate(nowMs);
    cached.percent = percent;
    cached.valueMs = this.#compute(percent);
    cached.staleAtMs = nowMs + refreshMs;
    return cached.valueMs;
  }

  /** Nobody asked or observed for so long that nothing is left in it. */
  isIdle(nowMs: number): boolean {
    return Math.floor(nowMs / slotMs) - this.#newest >= slots;
  }

  #rotate(nowMs: number): void {
    const slot = Math.floor(nowMs / slotMs);
    if (slot === this.#newest) return;
    for (let fresh = Math.max(this.#newest + 1, slot - slots + 1); fresh <= slot; fresh++) {
      const start = (fresh % slots) * buckets;
      this.#counts.fill(0, start, start + buckets);
    }
    this.#newest = slot;
  }

  #compute(percent: number): number | undefined {
    let total = 0;
    for (let i = 0; i < this.#counts.length; i++) total += this.#counts[i]!;
    if (total < minObservations) return undefined;
    const rank = (total * percent) / 100;
    let below = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      const count = this.#countIn(bucket);
      if (count > 0 && below + count >= rank) {
        const lowerMs = bucket === 0 ? 0 : 2 ** ((bucket - 1) / bucketsPerOctave);
        const upperMs = 2 ** (bucket / bucketsPerOctave);
        return lowerMs + ((upperMs - lowerMs) * (rank - below)) / count;
      }
      below += count;
    }
    return undefined;
  }

  #countIn(bucket: number): number {
    let sum = 0;
    for (let slot = 0; slot < slots; slot++) sum += this.#counts[slot * buckets + bucket]!;
    return sum;
  }
}
