// What a peer may do now and then but not all the time, each with its budget (limits.ts). One per connection; its
// methods throw the ConnectionError that ends it. Frames of calls that go well never come here.

import type { Clock } from "../../common/clock.ts";
import { Budget } from "./budget.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { ForcedClose, type Limits } from "./limits.ts";
import { ResetRatio } from "./reset-ratio.ts";

/** WINDOW_UPDATE frames, and frames for closed streams, that come free with every connection. */
const freeFrames = 100;
/** Two for each HEADERS or DATA that we send: on the stream and on the connection. */
const updatesPerFrame = 2;
/** An increment below this, for a stream that has more to send, makes us send crumbs. */
const tinyIncrement = 256;
/** PINGs that come free with HEADERS and DATA exchanged before. */
const maxPingsCovered = 1000;

export class Nuisances {
  readonly #clock: Clock;
  readonly #glitches: Budget;
  readonly #settings: Budget;
  readonly #pings: Budget;
  readonly #clientResets: Budget;
  readonly #resetRatio: ResetRatio;
  readonly #ownResets: Budget;
  /** HEADERS and DATA frames of both directions that a PING has been matched with. */
  #pingsCovered = 0;
  #windowUpdates = 0;
  #lateResets = 0;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#glitches = new Budget(limits.glitchBurst, limits.glitchesPerSecond);
    this.#settings = new Budget(limits.settingsBurst, limits.settingsPerSecond);
    this.#pings = new Budget(limits.pingBurst, limits.pingsPerSecond);
    this.#clientResets = new Budget(limits.clientResetBurst, limits.clientResetsPerSecond);
    this.#resetRatio = new ResetRatio(limits.resetRatioStreams, limits.resetRatioPercent);
    this.#ownResets = new Budget(limits.ownResetBurst, limits.ownResetsPerSecond);
  }

  /** A frame that changes nothing. */
  glitch(detail: string): void {
    this.#take(this.#glitches, ForcedClose.GLITCHES, detail);
  }

  /**
   * WINDOW_UPDATE gives back what was sent (CVE-2019-9511): `sentFrames` are all HEADERS and DATA ever sent, `opened`
   * all streams. `isWaiting`: the stream has DATA that this lets go.
   */
  windowUpdate(increment: number, isWaiting: boolean, sentFrames: number, opened: number): void {
    this.#windowUpdates++;
    if (isWaiting && increment < tinyIncrement) this.glitch("WINDOW_UPDATE of next to nothing");
    else if (this.#windowUpdates > freeFrames + updatesPerFrame * (sentFrames + opened)) {
      this.glitch("WINDOW_UPDATE for nothing that was sent");
    }
  }

  /** RST_STREAM for a stream that has ended: one each is usual, since it may cross the end. */
  lateReset(opened: number): void {
    if (++this.#lateResets > freeFrames + opened) this.glitch("RST_STREAM for closed streams");
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
    else this.#take(this.#pings, ForcedClose.TOO_MANY_PINGS, "PING without traffic");
  }

  /** A request was reset before its response was complete; `opened` were ever begun. */
  clientReset(opened: number): void {
    if (!this.#resetRatio.add(this.#clock.nowMs(), opened)) {
      const detail = "most of the requests of a second were reset";
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, detail, ForcedClose.CLIENT_RESETS);
    }
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
