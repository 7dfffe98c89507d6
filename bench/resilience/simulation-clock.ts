// The clock of a simulation: time jumps from one due timer to the next, so that a minute of a mesh's life takes as long
// as its events do. Timers fire in order of their time, and of their making where that is equal; after each one all
// promises run to their end. The same simulation therefore takes the same course on every machine.

import type { Clock, Timer } from "../../common/clock.ts";

interface Entry {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once cancelled: the entry stays in the heap until its time. */
  callback: (() => void) | undefined;
}

export class SimulationClock implements Clock {
  #nowMs = 0;
  #order = 0;
  /** A binary heap by time, then order. */
  readonly #heap: Entry[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#push(entry);
    return {
      cancel: () => {
        entry.callback = undefined;
      },
    };
  }

  /** Lives until `untilMs`, or until nothing is due any more. */
  async runUntil(untilMs: number): Promise<void> {
    await settle();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      const { callback } = next;
      if (callback === undefined) continue;
      this.#nowMs = next.atMs;
      callback();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** An immediate comes after all promise callbacks, however long their chain. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
