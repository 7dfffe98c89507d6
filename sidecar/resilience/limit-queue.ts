// Calls that wait for a place: by priority, and in order among equals. A doubly linked list per priority, so that a
// call that is given up leaves at once and in O(1), however many wait with it. Used by limit-places.ts.

import { Priority } from "../priority.ts";

export class Waiter {
  readonly priority: Priority;
  /** Told once: it has a place now. */
  readonly admit: () => void;
  /** Told once instead: another call that matters more took its place in the queue. */
  readonly displace: () => void;
  previous: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
  isQueued = false;

  constructor(priority: Priority, admit: () => void, displace: () => void) {
    this.priority = priority;
    this.admit = admit;
    this.displace = displace;
  }
}

interface Line {
  first: Waiter | undefined;
  last: Waiter | undefined;
}

export class LimitQueue {
  readonly #lines: readonly Line[] = Object.values(Priority).map(() => ({ first: undefined, last: undefined }));
  size = 0;

  push(waiter: Waiter): void {
    const line = this.#lines[waiter.priority]!;
    waiter.previous = line.last;
    if (line.last === undefined) line.first = waiter;
    else line.last.next = waiter;
    line.last = waiter;
    waiter.isQueued = true;
    this.size++;
  }

  /** Takes a waiter out; one that is not in the queue is left alone. */
  remove(waiter: Waiter): void {
    if (!waiter.isQueued) return;
    const { previous, next } = waiter;
    const line = this.#lines[waiter.priority]!;
    if (previous === undefined) line.first = next;
    else previous.next = next;
    if (next === undefined) line.last = previous;
    else next.previous = previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    waiter.isQueued = false;
    this.size--;
  }

  /** The one that goes first: of the highest priority the one that came first. */
  get head(): Waiter | undefined {
    for (const { first } of this.#lines) if (first !== undefined) return first;
    return undefined;
  }

  /** The one that goes last, if any matters less than `priority`. */
  lastBelow(priority: Priority): Waiter | undefined {
    for (let below = this.#lines.length - 1; below > priority; below--) {
      const { last } = this.#lines[below]!;
      if (last !== undefined) return last;
    }
    return undefined;
  }
}
