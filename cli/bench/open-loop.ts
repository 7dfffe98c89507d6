// A steady load: calls begin by the clock and not when the one before has ended, so that a slow server is seen as slow
// and not as asked less. A call's time counts from when it was due. When `concurrency` calls are under way the next
// ones wait, and their waiting counts.

import { type Clock, wait } from "../../common/clock.ts";

export interface OpenLoopParams {
  readonly rps: number;
  readonly seconds: number;
  readonly concurrency: number;
  /** One call; never rejects. */
  readonly call: () => Promise<CallOutcome>;
  readonly clock: Clock;
  /** Ends the load early; calls under way are waited for. */
  readonly signal: AbortSignal;
}

export interface CallOutcome {
  /** As `OK` or `UNAVAILABLE`. */
  readonly code: string;
  /** Ferry's failure kind; empty when it made none. */
  readonly failure: string;
  /** Who served it, as `quote-query-v1-1 v1`; empty when unknown. */
  readonly servedBy: string;
  /** The status's message. */
  readonly message: string;
  /** How often the mesh tried it. */
  readonly attempts: number;
}

export interface LoadFigures {
  readonly calls: number;
  readonly failed: number;
  /** Calls that took more than one attempt. */
  readonly retried: number;
  /** Failed calls by `CODE` or `CODE (failure kind)`. */
  readonly failures: Readonly<Record<string, number>>;
  /** One example for people; empty without failures. */
  readonly lastFailure: string;
  readonly servedBy: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** What was reached; below `rps` when the machine or the server could not follow. */
  readonly rps: number;
  readonly seconds: number;
}

export async function openLoop(params: OpenLoopParams): Promise<LoadFigures> {
  const { clock, rps, signal } = params;
  const total = Math.round(rps * params.seconds);
  const tally = new Tally();
  const startMs = clock.nowMs();
  let underWay = 0;
  let onEnd = () => {};
  const nextEnd = () =>
    new Promise<void>((resolve) => {
      onEnd = resolve;
    });
  for (let begun = 0; begun < total && !signal.aborted; begun++) {
    const dueMs = startMs + (begun * 1000) / rps;
    const earlyMs = dueMs - clock.nowMs();
    if (earlyMs > 1) await wait(clock, earlyMs, signal).catch(() => {});
    if (underWay === params.concurrency) await nextEnd();
    if (signal.aborted) break;
    underWay++;
    params.call().then((outcome) => {
      tally.add(outcome, clock.nowMs() - dueMs);
      underWay--;
      onEnd();
    });
  }
  while (underWay > 0) await nextEnd();
  return tally.figures(clock.nowMs() - startMs);
}

class Tally {
  readonly #times: number[] = [];
  readonly #failures: Record<string, number> = {};
  readonly #servedBy: Record<string, number> = {};
  #failed = 0;
  #retried = 0;
  #lastFailure = "";

  add(outcome: CallOutcome, ms: number): void {
    this.#times.push(ms);
    if (outcome.servedBy !== "") count(this.#servedBy, outcome.servedBy);
    if (outcome.attempts > 1) this.#retried++;
    if (outcome.code === "OK") return;
    this.#failed++;
    this.#lastFailure = outcome.message;
    count(this.#failures, outcome.failure === "" ? outcome.code : `${outcome.code} (${outcome.failure})`);
  }

  figures(tookMs: number): LoadFigures {
    const times = Float64Array.from(this.#times).sort();
    return {
      calls: times.length,
      failed: this.#failed,
      retried: this.#retried,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
      servedBy: this.#servedBy,
      p50Ms: round(percentile(times, 50)),
      p99Ms: round(percentile(times, 99)),
      maxMs: round(times.at(-1) ?? 0),
      rps: round(tookMs === 0 ? 0 : (times.length * 1000) / tookMs),
      seconds: round(tookMs / 1000),
    };
  }
}

/** The smallest of the sorted `times` that at least `percent` of them do not exceed; 0 for none. */
export function percentile(times: Float64Array, percent: number): number {
  return times[Math.max(0, Math.ceil((times.length * percent) / 100) - 1)] ?? 0;
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
