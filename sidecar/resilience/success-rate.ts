// How an endpoint's calls went lately: a ring of ten buckets over a sliding window, and when that is too little. Kept
// by each admission (admission.ts), fed by gate. Per worker.
//
// A share is only evidence when there are enough calls behind it: of five calls to an endpoint that serves 90 % of them
// two fail in one of twelve cases. So the failures must exceed what an endpoint that is just good enough would have by
// two standard deviations; 3 of 5, 5 of 10 or 29 of 100 where 80 % must go well. (reference: linkerd2-proxy's unified
// policy, which has the same window and share without that margin)
//
// Hot: `record` runs twice per try; within a bucket it divides nothing (bench/micro/gate.ts).

import type { EjectionPolicy } from "../routing/policy/ejection-policy.ts";

const buckets = 10;
const margin = 2;

type RatePolicy = Pick<EjectionPolicy, "successRatePercent" | "minCalls">;

/** Calls that ended, those that failed among them. */
export interface RateReading {
  readonly calls: number;
  readonly failures: number;
}

/** The share of failures, 0 to 1, that an endpoint may have. */
export function allowedShare({ successRatePercent }: RatePolicy): number {
  return (100 - successRatePercent) / 100;
}

/** Whether the failures are clearly more than a share of `allowed`; pure. */
export function isRateTooLow({ calls, failures }: RateReading, allowed: number, policy: RatePolicy): boolean {
  if (policy.successRatePercent === 0 || calls < policy.minCalls) return false;
  return failures > calls * allowed + margin * Math.sqrt(calls * allowed * (1 - allowed));
}

export class SuccessRate {
  // Calls and failures by bucket, side by side.
  readonly #counts = new Uint32Array(2 * buckets);
  #windowMs = 0;
  /** The number of the bucket that is written, since the clock's zero. */
  #tick = 0;
  /** Where it is in `#counts`. */
  #at = 0;
  #endMs = 0;
  #calls = 0;
  #failures = 0;

  /** As of the last record. */
  get calls(): number {
    return this.#calls;
  }

  get failures(): number {
    return this.#failures;
  }

  /** A window of another length than before begins empty. */
  record(isFailure: boolean, nowMs: number, windowMs: number): void {
    if (nowMs >= this.#endMs || windowMs !== this.#windowMs) this.#moveTo(nowMs, windowMs);
    this.#counts[this.#at]!++;
    this.#calls++;
    if (!isFailure) return;
    this.#counts[this.#at + 1]!++;
    this.#failures++;
  }

  /** Adds what was recorded in the last `part` of the window, 0 to 1, as of now. */
  addTo(sum: { calls: number; failures: number }, nowMs: number, part: number): void {
    if (this.#windowMs === 0) return;
    const now = Math.floor((nowMs * buckets) / this.#windowMs);
    const oldest = Math.max(0, now - Math.round(part * buckets) + 1, this.#tick - buckets + 1);
    for (let tick = oldest; tick <= this.#tick; tick++) {
      const at = 2 * (tick % buckets);
      sum.calls += this.#counts[at]!;
      sum.failures += this.#counts[at + 1]!;
    }
  }

  clear(): void {
    this.#counts.fill(0);
    this.#calls = 0;
    this.#failures = 0;
  }

  #moveTo(nowMs: number, windowMs: number): void {
    if (windowMs !== this.#windowMs) this.clear();
    this.#windowMs = windowMs;
    const bucketMs = windowMs / buckets;
    const tick = Math.floor(nowMs / bucketMs);
    const stale = Math.min(buckets, tick - this.#tick);
    for (let i = 1; i <= stale; i++) {
      const at = 2 * ((this.#tick + i) % buckets);
      this.#calls -= this.#counts[at]!;
      this.#failures -= this.#counts[at + 1]!;
      this.#counts[at] = 0;
      this.#counts[at + 1] = 0;
    }
    this.#tick = tick;
    this.#at = 2 * (tick % buckets);
    this.#endMs = (tick + 1) * bucketMs;
  }
}
