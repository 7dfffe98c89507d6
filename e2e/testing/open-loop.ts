// A steady load: calls begin by the clock and not when the one before has ended, so that a slow answer does not make
// fewer calls. Whoever drives it waits for a number of calls and never for a time.

export class OpenLoop {
  readonly #perSecond: number;
  readonly #call: () => Promise<void>;
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #begun = 0;
  #ended = 0;
  #error: unknown;

  /** `call` rejects only when the load makes no sense any more. */
  constructor(perSecond: number, call: () => Promise<void>) {
    this.#perSecond = perSecond;
    this.#call = call;
  }

  get underWay(): number {
    return this.#begun - this.#ended;
  }

  start(): void {
    const startMs = performance.now();
    const before = this.#begun;
    // Twice as often as calls are due; after a pause of our own it catches up.
    this.#timer = setInterval(() => {
      const due = before + Math.floor(((performance.now() - startMs) * this.#perSecond) / 1000);
      while (this.#begun < due) this.#begin();
    }, 500 / this.#perSecond);
  }

  /** Resolves when `count` more calls have ended; rejects with what a call rejected with. */
  async untilEnded(count: number): Promise<void> {
    const until = this.#ended + count;
    while (this.#ended < until) {
      this.check();
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    this.check();
  }

  /** Throws what a call rejected with. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Begins no further call. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** `stop`, and resolves when no call is under way. */
  async end(): Promise<void> {
    this.stop();
    if (this.underWay > 0) await this.untilEnded(this.underWay);
    this.check();
  }

  #begin(): void {
    this.#begun++;
    this.#call()
      .catch((error: unknown) => {
        this.#error ??= error;
      })
      .finally(() => {
        this.#ended++;
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      });
  }
}
