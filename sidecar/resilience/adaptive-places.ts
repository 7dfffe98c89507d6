// The adaptive limit of one method: its places, and the window of calls by which adaptive-limit.ts moves them. Used by
// the layer in limit-adaptive.ts. State per worker.

import { type AdaptiveState, initialAdaptive, nextLimit, placesOf } from "./adaptive-limit.ts";
import { CallLimit } from "./limit.ts";

/** A window is at least so long, and twice what a call takes: the effect of a step must be seen before the next one. */
const minWindowMs = 200;
/** Calls in a window, for a median that is worth something; after ten times its length fewer will do. */
const minSamples = 50;
const minSamplesLate = 10;
/** More are not kept: the first of a window speak for it. */
const maxSamples = 256;

export class AdaptivePlaces {
  readonly own: CallLimit;
  #state: AdaptiveState = initialAdaptive;
  #windowStartMs: number;
  #maxInFlight = 0;
  readonly #latencies = new Float64Array(maxSamples);
  #samples = 0;

  /** `name`: the method, as messages and metrics name it. */
  constructor(name: string, nowMs: number) {
    this.own = new CallLimit(name, placesOf(initialAdaptive));
    this.#windowStartMs = nowMs;
  }

  /** No window has ended yet. */
  get isUntaught(): boolean {
    return this.#state === initialAdaptive;
  }

  /** After a call took its place. */
  entered(): void {
    const { inFlight } = this.own.places;
    if (inFlight > this.#maxInFlight) this.#maxInFlight = inFlight;
  }

  /** A call began at `startedAtMs` and took `latencyMs`: it succeeded, or somebody lost patience with it. */
  observe(startedAtMs: number, latencyMs: number): void {
    // One that began before had other company.
    if (startedAtMs < this.#windowStartMs) return;
    if (this.#samples < maxSamples) this.#latencies[this.#samples] = latencyMs;
    this.#samples++;
    const nowMs = startedAtMs + latencyMs;
    const elapsedMs = nowMs - this.#windowStartMs;
    const { baseMs } = this.#state;
    const windowMs = baseMs === Number.POSITIVE_INFINITY ? minWindowMs : Math.max(minWindowMs, 2 * baseMs);
    if (elapsedMs < windowMs) return;
    if (this.#samples >= minSamples || (this.#samples >= minSamplesLate && elapsedMs >= 10 * windowMs)) {
      this.#endWindow(nowMs, elapsedMs);
    }
  }

  #endWindow(nowMs: number, elapsedMs: number): void {
    const latencies = this.#latencies.subarray(0, Math.min(this.#samples, maxSamples)).sort();
    const p50Ms = latencies[latencies.length >> 1]!;
    this.#state = nextLimit(this.#state, { p50Ms, maxInFlight: this.#maxInFlight, elapsedMs });
    this.own.places.setLimit(placesOf(this.#state));
    this.#windowStartMs = nowMs;
    this.#maxInFlight = this.own.places.inFlight;
    this.#samples = 0;
  }
}
