// The rapid reset attack has a second mark beside its speed: most of what it opens it resets (CVE-2023-44487). Counts
// both within a second that begins with a reset. A client that gives up many calls at once opens none meanwhile, so
// it is not taken for one. Pure.

const windowMs = 1000;

export class ResetRatio {
  readonly #leastStreams: number;
  readonly #percent: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #openedBefore = 0;
  #resets = 0;

  /** Above `percent` of more than `leastStreams` in a second is too much. */
  constructor(leastStreams: number, percent: number) {
    this.#leastStreams = leastStreams;
    this.#percent = percent;
  }

  /** A stream was reset; `opened` streams were ever opened. False: too much. */
  add(nowMs: number, opened: number): boolean {
    if (nowMs - this.#sinceMs >= windowMs) {
      this.#sinceMs = nowMs;
      this.#openedBefore = opened;
      this.#resets = 0;
    }
    this.#resets++;
    const openedNow = opened - this.#openedBefore;
    return openedNow <= this.#leastStreams || this.#resets * 100 <= openedNow * this.#percent;
  }
}
