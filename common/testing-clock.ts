// A clock that stands still until a test moves it. Timers fire in order of their time, each at exactly its time, so a
// test sees the same order on every machine.

import type { Clock, Timer } from "./clock.ts";

interface Pending {
  atMs: number;
  order: number;
  callback: () => void;
}

export class TestingClock implements Clock {
  #nowMs = 0;
  #order = 0;
  #pending: Pending[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
    };
  }

  /** Moves time on by `ms`, firing what falls due, and lets promise callbacks run after each timer. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#pending
        .filter((entry) => entry.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#pending = this.#pending.filter((entry) => entry !== next);
      this.#nowMs = next.atMs;
      next.callback();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  /** How many timers wait. */
  get pendingTimers(): number {
    return this.#pending.length;
  }
}

/** Lets everything that is already resolved run: promise chains and immediates. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
