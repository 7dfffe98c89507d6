// Whether a heap grew: judged from its sizes after forced collections, one behind each part of the calls. Pure. Called
// by bench/memory.ts.

import { median } from "../percentile.ts";

export interface Growth {
  /** Between the medians of the first and the last quarter of the sizes. */
  readonly bytes: number;
  readonly bytesPerCall: number;
  readonly isWithinTolerance: boolean;
}

/** What compiled code and its feedback may add after the warm-up: a leak of one object a call is 16 MB a million. */
export const toleratedBytes = 2_000_000;

/** `sizes`: at even distances over `calls`, two at the least. */
export function growthOf(sizes: readonly number[], calls: number): Growth {
  const quarter = Math.max(1, Math.floor(sizes.length / 4));
  const bytes = median(sizes.slice(-quarter)) - median(sizes.slice(0, quarter));
  return { bytes, bytesPerCall: Math.round((bytes / calls) * 1000) / 1000, isWithinTolerance: bytes <= toleratedBytes };
}
