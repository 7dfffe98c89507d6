// One set of places for calls: how many are taken, who may take one, who waits. The limits of both directions are made
// of it (limit.ts, limit-inbound.ts, adaptive-limit.ts). Knows no time: a wait ends when its call is cancelled, which
// the deadline layers outside see to. Per worker.
//
// When places are short, what matters less is refused first: sheddable calls get no place once 80 % are taken, the last
// 5 % are for critical calls alone. Shares are rounded up, so that a limit under 20 keeps nothing back from default
// calls. 5 % is enough for what must get through and too little for an overload to hide in.
//
// Hot: tryEnter and leave run once per call: a compare and an addition.

import type { Priority } from "../priority.ts";
import { LimitQueue, Waiter } from "./limit-queue.ts";

/** By priority: the share of places that may be taken before a call gets none. */
const shares = [1, 0.95, 0.8] as const;

/** Whether there is a place for a call; pure. */
export function hasPlace(inFlight: number, limit: number, priority: Priority): boolean {
  return inFlight < limit * shares[priority];
}

/** A wait that has begun. */
export interface Wait {
  /** Resolves with a place that is the call's; rejects when it was displaced. */
  readonly place: Promise<void>;
  /** Gives the wait up; after the place was given it does nothing. */
  giveUp(reason: unknown): void;
}

export class Places {
  #limit: number;
  #inFlight = 0;
  readonly #queue = new LimitQueue();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get pending(): number {
    return this.#queue.size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Puts a new limit in force; who waits gets what it adds. Calls under way stay under way. */
  setLimit(limit: number): void {
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#admitWaiting();
  }

  /** Takes a place if there is one; then `leave` must follow, once. */
  tryEnter(priority: Priority): boolean {
    if (!hasPlace(this.#inFlight, this.#limit, priority)) return false;
    this.#inFlight++;
    return true;
  }

  /** Takes a place that is not there: for what must never be refused. */
  enter(): void {
    this.#inFlight++;
  }

  /** A function of its own for every instance, so that it can be handed on as a listener without a closure per call. */
  readonly leave = (): void => {
    this.#inFlight--;
    if (this.#queue.size > 0) this.#admitWaiting();
  };

  /**
   * Begins to wait, after `tryEnter` found no place; undefined when `maxPending` already do and none of them matters
   * less: then the last of those loses its place in the queue. `displaced`: what this wait ends with if it is the one.
   */
  wait(priority: Priority, maxPending: number, displaced: () => unknown): Wait | undefined {
    if (this.#queue.size >= maxPending) {
      const last = maxPending === 0 ? undefined : this.#queue.lastBelow(priority);
      if (last === undefined) return undefined;
      this.#queue.remove(last);
      last.displace();
    }
    let giveUp!: (reason: unknown) => void;
    const place = new Promise<void>((resolve, reject) => {
      const waiter = new Waiter(priority, resolve, () => reject(displaced()));
      this.#queue.push(waiter);
      giveUp = (reason) => {
        if (!waiter.isQueued) return;
        this.#queue.remove(waiter);
        reject(reason);
      };
    });
    return { place, giveUp };
  }

  #admitWaiting(): void {
    for (let head = this.#queue.head; head !== undefined; head = this.#queue.head) {
      if (!hasPlace(this.#inFlight, this.#limit, head.priority)) return;
      this.#queue.remove(head);
      this.#inFlight++;
      head.admit();
    }
  }
}
