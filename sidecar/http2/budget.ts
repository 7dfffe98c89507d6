// A token bucket for what a peer may do now and then but not all the time. Pure: the caller brings the time.
// connection.ts has one per kind of nuisance.

export class Budget {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #atMs: number;

  /** `burst` at once, `perSecond` in the long run. */
  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#tokens = burst;
    this.#atMs = Number.NEGATIVE_INFINITY;
  }

  /** Takes one token; false when none is left. */
  take(nowMs: number): boolean {
    if (this.#atMs < nowMs) {
      const refilled = this.#tokens + (nowMs - this.#atMs) * this.#perMs;
      this.#tokens = Math.min(refilled, this.#burst);
      this.#atMs = nowMs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
