// When a server lets a connection go that has done nothing wrong: nothing to do for long, or open for long (gRFC A9).
// Pure: watch.ts brings time and counts. A connection with a stream is never idle; PINGs are no use of it.

export interface AgeTimes {
  /** 0: never. */
  readonly idleMs: number;
  /** With its jitter in it; 0: never. */
  readonly maxAgeMs: number;
  /** Until streams are cut off that go on after `maxAgeMs`; 0: never. */
  readonly graceMs: number;
}

export type AgeVerdict = "stay" | "idle" | "old" | "graceOver";

/** `maxAgeMs` with up to `percent` more or less, so that connections that came together do not go together. */
export function jittered(maxAgeMs: number, percent: number, random: () => number): number {
  return maxAgeMs * (1 + ((2 * random() - 1) * percent) / 100);
}

export class Ages {
  readonly #times: AgeTimes;
  readonly #bornMs: number;
  #openedStreams = 0;
  #idleSinceMs: number;
  #isOld = false;

  constructor(times: AgeTimes, nowMs: number) {
    this.#times = times;
    this.#bornMs = nowMs;
    this.#idleSinceMs = nowMs;
  }

  /** `openedStreams` grows with every stream that was opened. */
  look(nowMs: number, openStreams: number, openedStreams: number): AgeVerdict {
    const { idleMs, maxAgeMs, graceMs } = this.#times;
    if (openStreams > 0 || openedStreams !== this.#openedStreams) {
      this.#openedStreams = openedStreams;
      this.#idleSinceMs = nowMs;
    }
    const ageMs = nowMs - this.#bornMs;
    if (maxAgeMs > 0 && ageMs >= maxAgeMs) {
      const isOver = this.#isOld && graceMs > 0 && ageMs >= maxAgeMs + graceMs;
      this.#isOld = true;
      return isOver ? "graceOver" : "old";
    }
    return idleMs > 0 && nowMs - this.#idleSinceMs >= idleMs ? "idle" : "stay";
  }

  /** When `look` may have something new to say. */
  get dueMs(): number {
    const { idleMs, maxAgeMs, graceMs } = this.#times;
    if (this.#isOld) return graceMs > 0 ? this.#bornMs + maxAgeMs + graceMs : Number.POSITIVE_INFINITY;
    const oldMs = maxAgeMs > 0 ? this.#bornMs + maxAgeMs : Number.POSITIVE_INFINITY;
    return Math.min(oldMs, idleMs > 0 ? this.#idleSinceMs + idleMs : Number.POSITIVE_INFINITY);
  }
}
