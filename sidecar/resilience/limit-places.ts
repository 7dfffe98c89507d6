// One set of places for calls: how many are taken, who may take one, who waits. The limits of both directions are made
// of it (limit.ts, limit-inbound.ts, limit-adaptive.ts). Knows no time: a wait ends when its call is cancelled, which
// the deadline layers outside see to. Per worker.
//
// When places are short, what matters less is refused first: sheddable calls get no place once 80 % are taken, and from
// the first critical call on the last 5 % are for critical calls alone: enough for what must get through, too little
// for an overload to hide in. Who never calls anything critical has all places for default calls. Shares are rounded
// up.
//
// Hot: tryEnter and leave run once per call: a compare and an addition.

import { Priority } from "../priority.ts";
import { LimitQueue, Waiter } from "./limit-queue.ts";

const defaultShare = 0.95;
const sheddableShare = 0.8;

/** A wait that has begun. */
export interface Wait {
  /** Resolves with a place that is the call's; rejects when it was displaced. */
  readonly place: Promise<void>;
  /** Gives the wait up; after the place was given it does nothing. */
  giveUp(reason: unknown): void;
}

export class Places {
  #limit: number;
  /** So many may be taken before a call of the priority gets none. */
  #forDefault: number;
  #forSheddable: number;
  #hasSeenCritical = false;
  #inFlight = 0;
  readonly #queue = new LimitQueue();

  constructor(limit: number) {
    this.#limit = limit;
    this.#forDefault = limit;
    this.#forSheddable = limit * sheddableShare;
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
    this.#share();
    this.#admitWaiting();
  }

  /** Takes a place if there is one; then `leave` must follow, once. */
  tryEnter(priority: Priority): boolean {
    if (priority === Priority.critical && !this.#hasSeenCritical) {
      this.#hasSeenCritical = true;
      this.#share();
    }
    if (!this.#hasPlace(priority)) return false;
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

  #hasPlace(priority: Priority): boolean {
    const places =
      priority === Priority.default
        ? this.#forDefault
        : priority === Priority.critical
          ? this.#limit
          : this.#forSheddable;
    return this.#inFlight < places;
  }

  #share(): void {
    this.#forDefault = this.#hasSeenCritical ? this.#limit * defaultShare : this.#limit;
    this.#forSheddable = this.#limit * sheddableShare;
  }

  #admitWaiting(): void {
    for (let head = this.#queue.head; head !== undefined; head = this.#queue.head) {
      if (!this.#hasPlace(head.priority)) return;
      this.#queue.remove(head);
      this.#inFlight++;
      head.admit();
    }
  }
}
