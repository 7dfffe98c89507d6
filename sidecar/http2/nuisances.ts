// What a peer may do now and then but not all the time, each with its budget (limits.ts). One per connection; its
// methods throw the ConnectionError that ends it. Frames of calls that go well never come here.

import type { Clock } from "../../common/clock.ts";
import { Budget } from "./budget.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { ForcedClose, type Limits } from "./limits.ts";

/** PINGs that come free with HEADERS and DATA exchanged before. */
const maxPingsCovered = 1000;

export class Nuisances {
  readonly #clock: Clock;
  readonly #glitches: Budget;
  readonly #settings: Budget;
  readonly #pings: Budget;
  readonly #clientResets: Budget;
  readonly #ownResets: Budget;
  /** HEADERS and DATA frames of both directions that a PING has been matched with. */
  #pingsCovered = 0;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#glitches = new Budget(limits.glitchBurst, limits.glitchesPerSecond);
    this.#settings = new Budget(limits.settingsBurst, limits.settingsPerSecond);
    this.#pings = new Budget(limits.pingBurst, limits.pingsPerSecond);
    this.#clientResets = new Budget(limits.clientResetBurst, limits.clientResetsPerSecond);
    this.#ownResets = new Budget(limits.ownResetBurst, limits.ownResetsPerSecond);
  }

  /** A frame that changes nothing. */
  glitch(detail: string): void {
    this.#take(this.#glitches, ForcedClose.GLITCHES, detail);
  }

  settings(): void {
    this.#take(this.#settings, ForcedClose.SETTINGS_FLOOD, "SETTINGS");
  }

  /**
   * Bandwidth estimators ping with every burst of DATA, whoever sent it; what costs us is the PING that stands alone.
   * `messageFrames`: HEADERS and DATA frames that were ever exchanged, in both directions.
   */
  ping(messageFrames: number): void {
    this.#pingsCovered = Math.max(this.#pingsCovered, messageFrames - maxPingsCovered);
    if (this.#pingsCovered < messageFrames) this.#pingsCovered++;
    else this.#take(this.#pings, ForcedClose.PING_FLOOD, "PING without traffic");
  }

  /** A request was reset before its response was complete. */
  clientReset(): void {
    this.#take(this.#clientResets, ForcedClose.CLIENT_RESETS, "requests reset before their responses were complete");
  }

  /** The peer made us reset a stream. */
  ownReset(detail: string): void {
    this.#take(this.#ownResets, ForcedClose.OWN_RESETS, detail);
  }

  #take(budget: Budget, reason: string, detail: string): void {
    if (budget.take(this.#clock.nowMs())) return;
    throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, detail, reason);
  }
}
