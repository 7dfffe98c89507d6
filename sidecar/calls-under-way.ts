// The calls of a listener that have begun and not ended, as a ring through the calls themselves. A Set would do the
// same, but each time it is made over it leaves behind a table that points to the next one, and once such a table is in
// V8's old space, everything it ever led to survives every scavenge: half of all that was allocated did. For the same
// reason a call that has ended points to no other. Hot: add and remove once per call.

import type { ProxyFailure } from "./failure.ts";

/** What a call must have to stand in the ring. */
export interface UnderWay {
  /** Itself, when it stands in no ring. */
  before: UnderWay;
  after: UnderWay;
  cancel(failure: ProxyFailure): void;
}

export class CallsUnderWay {
  count = 0;
  readonly #ring: UnderWay;

  constructor() {
    this.#ring = { cancel() {} } as unknown as UnderWay;
    this.#ring.before = this.#ring;
    this.#ring.after = this.#ring;
  }

  add(call: UnderWay): void {
    const last = this.#ring.before;
    call.before = last;
    call.after = this.#ring;
    last.after = call;
    this.#ring.before = call;
    this.count++;
  }

  /** Again does nothing. */
  remove(call: UnderWay): void {
    if (call.after === call) return;
    call.before.after = call.after;
    call.after.before = call.before;
    call.before = call;
    call.after = call;
    this.count--;
  }

  /** Ends them all; each caller is told why. */
  cancelAll(failure: ProxyFailure): void {
    const all: UnderWay[] = [];
    for (let call = this.#ring.after; call !== this.#ring; call = call.after) all.push(call);
    for (const call of all) call.cancel(failure);
  }
}
