// Lets a receive window grow to what the way to the peer holds: a window that is used up and returned faster than an
// answer could come back is what limits the rate, so it is doubled, up to a limit. The time of an answer is what the
// peer took to acknowledge our SETTINGS, which costs no PING (servers count those). One per connection, asked when
// credit is announced, not per frame. A stream that stalls returns nothing, so its window does not grow.

import type { Clock } from "../../common/clock.ts";
import type { Holding } from "./buffered-bytes.ts";
import type { ReceiveWindow } from "./flow-control.ts";

export class WindowGrowth {
  readonly #clock: Clock;
  readonly #holding: Holding;
  readonly #settingsSentMs: number;
  /** 0: not known yet. */
  #roundTripMs = 0;

  /** Made when our SETTINGS are sent. `holding`: no growth while the process holds much. */
  constructor(clock: Clock, holding: Holding) {
    this.#clock = clock;
    this.#holding = holding;
    this.#settingsSentMs = clock.nowMs();
  }

  /** The peer acknowledged our SETTINGS. */
  acknowledged(): void {
    this.#roundTripMs = this.#clock.nowMs() - this.#settingsSentMs;
  }

  /** Credit is about to be announced for `window`; returns how much more is to be announced with it. */
  extra(window: ReceiveWindow, maxBytes: number): number {
    if (window.size >= maxBytes || this.#roundTripMs === 0) return 0;
    const nowMs = this.#clock.nowMs();
    const sinceMs = nowMs - window.announcedAtMs;
    window.announcedAtMs = nowMs;
    if (sinceMs > this.#roundTripMs || this.#holding.isTight) return 0;
    const extra = Math.min(window.size, maxBytes - window.size);
    window.resize(window.size + extra);
    return extra;
  }
}
