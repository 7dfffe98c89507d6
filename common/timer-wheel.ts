// Many timers that are nearly all cancelled before they are due: a deadline for every call, a few seconds off. Used by
// clock.ts for every timer that does not hold the process. Timers wait in rings by the millisecond, those further off
// in rings by the half second, from which they move on when that begins, so adding and cancelling are a few pointer
// writes (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987). One timer of the host's drives it.
//
// Guarantees: no timer runs before it is due, nor after `cancel`; each runs at most once. Hot: add and cancel run once
// per call; a timer of Node's costs ten times as much, more where no two delays are alike (bench/micro/timers.ts).

/** The half of a timer that its owner keeps. */
export interface WheelTimer {
  cancel(): void;
}

export interface WheelHost {
  /** Monotonic milliseconds with fractions. */
  nowMs(): number;
  /** Calls `wake` once, about `delayMs` from now; instead of what was asked for before. */
  wakeAfter(delayMs: number, wake: () => void): void;
}

const fineSlots = 1024;
/** Half of the fine wheel, so that what moves on to it always fits. */
const coarseSlotMs = 512;
const coarseSlots = 1024;

/** How far off a timer may be: some four minutes, half of what the rings hold, so that a late turn mixes none up. */
export const maxWheelDelayMs: number = (coarseSlotMs * coarseSlots) / 2;

/** A timer, or the head of a ring of them. */
class Entry implements WheelTimer {
  readonly dueMs: number;
  callback: (() => void) | undefined;
  // Itself, when it stands in no ring.
  before: Entry = this;
  after: Entry = this;
  readonly #wheel: TimerWheel;

  constructor(wheel: TimerWheel, dueMs: number, callback: (() => void) | undefined) {
    this.#wheel = wheel;
    this.dueMs = dueMs;
    this.callback = callback;
  }

  cancel(): void {
    if (this.after === this) return;
    this.leave();
    this.callback = undefined;
    this.#wheel.pending--;
  }

  /** An entry that has left points to no other: one that survives for long would keep all that came after it. */
  leave(): void {
    this.before.after = this.after;
    this.after.before = this.before;
    this.before = this;
    this.after = this;
  }

  /** As the last of the ring that `head` stands for. */
  join(head: Entry): void {
    const last = head.before;
    this.before = last;
    this.after = head;
    last.after = this;
    head.before = this;
  }
}

export class TimerWheel {
  /** Timers that are neither cancelled nor run. */
  pending = 0;
  readonly #host: WheelHost;
  readonly #fine: readonly Entry[];
  readonly #coarse: readonly Entry[];
  /** Every slot up to here is empty: a whole number of milliseconds. */
  #doneMs = 0;
  /** When it wakes next, never later than the first timer; Infinity: not at all; -Infinity: it is awake. */
  #wakesAtMs = Number.POSITIVE_INFINITY;
  readonly #wake = (): void => this.#turn();

  constructor(host: WheelHost) {
    this.#host = host;
    this.#fine = rings(this, fineSlots);
    this.#coarse = rings(this, coarseSlots);
  }

  /** Runs `callback` once, `delayMs` from now: more than 0, at most `maxWheelDelayMs`. */
  add(delayMs: number, callback: () => void): WheelTimer {
    const nowMs = this.#host.nowMs();
    // Nothing stands before the next waking.
    this.#doneMs = Math.max(this.#doneMs, Math.min(Math.floor(nowMs), this.#wakesAtMs - 1));
    const entry = new Entry(this, Math.ceil(nowMs + delayMs), callback);
    this.pending++;
    const firstMs = this.#place(entry);
    if (firstMs < this.#wakesAtMs) this.#wakeAt(firstMs, nowMs);
    return entry;
  }

  /** Puts the entry in its ring; returns when that must be looked at. */
  #place(entry: Entry): number {
    const { dueMs } = entry;
    if (dueMs - this.#doneMs < fineSlots) {
      entry.join(this.#fine[dueMs % fineSlots]!);
      return dueMs;
    }
    const slot = Math.floor(dueMs / coarseSlotMs);
    entry.join(this.#coarse[slot % coarseSlots]!);
    return slot * coarseSlotMs;
  }

  #wakeAt(atMs: number, nowMs: number): void {
    this.#wakesAtMs = atMs;
    this.#host.wakeAfter(Math.max(0, atMs - nowMs), this.#wake);
  }

  /** Runs what is due, and sees to it that it is called again when the next timer is. */
  #turn(): void {
    const nowMs = this.#host.nowMs();
    this.#doneMs = Math.max(this.#doneMs, Math.min(Math.floor(nowMs), this.#wakesAtMs - 1));
    this.#wakesAtMs = Number.NEGATIVE_INFINITY;
    try {
      while (this.#doneMs < Math.floor(nowMs)) this.#passMs();
    } finally {
      this.#wakesAtMs = this.#nextMs();
      if (this.#wakesAtMs < Number.POSITIVE_INFINITY) this.#wakeAt(this.#wakesAtMs, this.#host.nowMs());
    }
  }

  #passMs(): void {
    const atMs = this.#doneMs + 1;
    if (atMs % coarseSlotMs === 0) {
      const head = this.#coarse[(atMs / coarseSlotMs) % coarseSlots]!;
      for (let entry = head.after; entry !== head; entry = head.after) {
        entry.leave();
        entry.join(this.#fine[entry.dueMs % fineSlots]!);
      }
    }
    const head = this.#fine[atMs % fineSlots]!;
    for (let entry = head.after; entry !== head; entry = head.after) {
      const { callback } = entry;
      entry.cancel();
      callback?.();
    }
    // Last: when a callback throws, those behind it in the ring are still to come.
    this.#doneMs = atMs;
  }

  /** When the first ring that is not empty must be looked at; Infinity when all are empty. */
  #nextMs(): number {
    if (this.pending === 0) return Number.POSITIVE_INFINITY;
    for (let atMs = this.#doneMs + 1; atMs < this.#doneMs + fineSlots; atMs++) {
      const isBoundary = atMs % coarseSlotMs === 0;
      if (!isEmpty(this.#fine[atMs % fineSlots]!)) return atMs;
      if (isBoundary && !isEmpty(this.#coarse[(atMs / coarseSlotMs) % coarseSlots]!)) return atMs;
    }
    const first = Math.floor(this.#doneMs / coarseSlotMs) + 1;
    for (let slot = first; slot < first + coarseSlots; slot++) {
      if (!isEmpty(this.#coarse[slot % coarseSlots]!)) return slot * coarseSlotMs;
    }
    return Number.POSITIVE_INFINITY;
  }
}

function rings(wheel: TimerWheel, count: number): readonly Entry[] {
  return Array.from({ length: count }, () => new Entry(wheel, 0, undefined));
}

function isEmpty(head: Entry): boolean {
  return head.after === head;
}
