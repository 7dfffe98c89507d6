// A server's two-step GOAWAY (RFC 9113 section 6.8): one that names no last stream, a PING, and when that is answered,
// or after a while, one with the last stream that was taken. What a client sent before it saw the first is still
// served. One per connection; connection.ts closes when `isDue` is false and the last stream has ended.

import type { Clock, Timer } from "../../common/clock.ts";
import { maxStreamId } from "./frames.ts";

const pingTimeoutMs = 2000;
export const goodbyePing: Buffer = Buffer.from("ferry-dr", "latin1");

export interface GoodbyeHost {
  /** The highest stream that the peer has opened. */
  readonly lastPeerId: number;
  sendGoaway(lastStreamId: number, text: string): void;
  sendPing(payload: Buffer): void;
}

export class Goodbye {
  /** What the final GOAWAY said; streams above it are not looked at. */
  lastAccepted = maxStreamId;
  readonly #host: GoodbyeHost;
  readonly #clock: Clock;
  #text = "";
  #timer: Timer | undefined = undefined;

  constructor(host: GoodbyeHost, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
  }

  /** The second GOAWAY is still to come. */
  get isDue(): boolean {
    return this.#timer !== undefined;
  }

  /** `text` is both frames' debug text. */
  begin(text: string): void {
    this.#text = text;
    this.#host.sendGoaway(maxStreamId, text);
    this.#host.sendPing(goodbyePing);
    this.#timer = this.#clock.after(pingTimeoutMs, () => this.finish());
  }

  /** The PING was answered. */
  finish(): void {
    if (this.#timer === undefined) return;
    this.cancel();
    this.lastAccepted = this.#host.lastPeerId;
    this.#host.sendGoaway(this.lastAccepted, this.#text);
  }

  /** Says nothing more. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
