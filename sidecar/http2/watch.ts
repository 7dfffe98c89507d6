// A connection's one timer: everything that must not last for ever is looked at here, coarsely, so that frames and
// streams cost no timer. While a header block or DATA waits it looks every 5 s, else every minute or when something is
// due. The decisions are in keepalive.ts, ages.ts and stalls.ts; connection.ts carries them out.

import type { Clock, Timer } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { Ages, jittered } from "./ages.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { Keepalive } from "./keepalive.ts";
import { ForcedClose, type Limits } from "./limits.ts";
import { type StallingStream, Stalls } from "./stalls.ts";

export interface Watched<S extends StallingStream> {
  readonly isServer: boolean;
  /** Those that are open. */
  readonly streams: { readonly size: number; list(): S[] };
  /** Grows with every stream that was opened. */
  readonly openedStreams: number;
  /** Grows with everything that arrives. */
  readonly reads: number;
  /** A frame or header block has begun and not ended; `unit` tells which. */
  readonly reader: { readonly isInsideUnit: boolean; readonly unit: number };
  /** Octets wait for the peer. */
  readonly hasHeldBytes: boolean;
  handshakeTimedOut(): void;
  sendKeepalive(): void;
  /** The stream's peer takes nothing of what waits. */
  stalled(stream: S): void;
  /** Lets the connection go in peace: no new streams, those that are open may end. */
  retire(reason: string, detail: string): void;
  failed(error: ConnectionError): void;
  /** The peer takes or says nothing: closes without a word. */
  stuck(reason: string, detail: string): void;
}

export interface WatchParams {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: Limits;
}

const tickMs = 5000;
const lookMs = 60_000;
const leastMs = 500;

export class Watch<S extends StallingStream> {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #owner: Watched<S>;
  readonly #keepalive: Keepalive;
  readonly #ages: Ages | undefined;
  readonly #stalls: Stalls<S>;
  #handshakeDueMs: number;
  #timer: Timer | undefined = undefined;
  #isTicking = false;
  #isClosed = false;
  /** The unit that was seen incomplete, and since when; -1: none. */
  #unit = -1;
  #unitSinceMs = 0;

  constructor(owner: Watched<S>, { clock, random, limits }: WatchParams) {
    const nowMs = clock.nowMs();
    this.#clock = clock;
    this.#limits = limits;
    this.#owner = owner;
    const intervalMs = owner.isServer ? limits.serverKeepaliveMs : limits.clientKeepaliveMs;
    this.#keepalive = new Keepalive({ intervalMs, timeoutMs: limits.keepaliveTimeoutMs }, nowMs);
    const maxAgeMs = jittered(limits.maxAgeMs, limits.ageJitterPercent, random);
    const ageTimes = { idleMs: limits.idleMs, maxAgeMs, graceMs: limits.ageGraceMs };
    this.#ages = owner.isServer ? new Ages(ageTimes, nowMs) : undefined;
    this.#stalls = new Stalls(limits.sendStallMs, limits.sendStallBytes);
    this.#handshakeDueMs = nowMs + limits.handshakeMs;
    this.#arm(nowMs);
  }

  /** Something began to wait: the rest of a frame, or octets for the peer. */
  wake(): void {
    if (this.#isTicking || this.#isClosed) return;
    const nowMs = this.#clock.nowMs();
    this.#noteUnit(nowMs);
    this.#isTicking = true;
    this.#arm(nowMs);
  }

  /** The peer acknowledged our SETTINGS. */
  handshakeDone(): void {
    this.#handshakeDueMs = Number.POSITIVE_INFINITY;
    if (!this.#isClosed) this.#arm(this.#clock.nowMs());
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(nowMs: number): void {
    const dueMs = Math.min(
      this.#handshakeDueMs,
      this.#mayAsk ? this.#keepalive.dueMs : Number.POSITIVE_INFINITY,
      this.#ages?.dueMs ?? Number.POSITIVE_INFINITY,
    );
    const waitMs = Math.max(leastMs, Math.min(dueMs - nowMs, this.#isTicking ? tickMs : lookMs));
    this.#timer?.cancel();
    this.#timer = this.#clock.after(waitMs, () => this.#look());
  }

  get #mayAsk(): boolean {
    return this.#owner.isServer || this.#owner.streams.size > 0;
  }

  #look(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#handshakeDueMs) {
      this.#owner.handshakeTimedOut();
      return;
    }
    this.#lookAtUnit(nowMs);
    this.#lookAtStreams(nowMs);
    this.#lookAtPeer(nowMs);
    this.#lookAtAge(nowMs);
    if (this.#isClosed) return;
    this.#isTicking = this.#owner.reader.isInsideUnit || this.#owner.hasHeldBytes;
    this.#arm(nowMs);
  }

  #noteUnit(nowMs: number): void {
    if (!this.#owner.reader.isInsideUnit) {
      this.#unit = -1;
    } else if (this.#unit !== this.#owner.reader.unit) {
      this.#unit = this.#owner.reader.unit;
      this.#unitSinceMs = nowMs;
    }
  }

  #lookAtUnit(nowMs: number): void {
    this.#noteUnit(nowMs);
    const { headerBlockMs } = this.#limits;
    if (this.#unit < 0 || nowMs - this.#unitSinceMs < headerBlockMs) return;
    const detail = `a frame or header block took more than ${headerBlockMs} ms`;
    this.#owner.failed(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, detail, ForcedClose.HEADER_TIMEOUT));
  }

  #lookAtStreams(nowMs: number): void {
    if (this.#isClosed) return;
    const streams = this.#owner.hasHeldBytes ? this.#owner.streams.list() : [];
    for (const stream of this.#stalls.look(nowMs, streams)) this.#owner.stalled(stream);
  }

  #lookAtPeer(nowMs: number): void {
    if (this.#isClosed) return;
    const verdict = this.#keepalive.look(nowMs, this.#owner.reads, this.#mayAsk);
    if (verdict === "ping") this.#owner.sendKeepalive();
    if (verdict !== "lost") return;
    const detail = `no answer to a PING in ${this.#limits.keepaliveTimeoutMs} ms`;
    this.#owner.stuck(ForcedClose.KEEPALIVE_TIMEOUT, detail);
  }

  #lookAtAge(nowMs: number): void {
    if (this.#isClosed || this.#ages === undefined) return;
    switch (this.#ages.look(nowMs, this.#owner.streams.size, this.#owner.openedStreams)) {
      case "stay":
        return;
      case "idle":
        this.#owner.retire(ForcedClose.MAX_IDLE, `no stream for ${this.#limits.idleMs} ms`);
        return;
      case "old":
        this.#owner.retire(ForcedClose.MAX_AGE, `open for ${this.#limits.maxAgeMs} ms`);
        return;
      case "graceOver": {
        const detail = `streams went on ${this.#limits.ageGraceMs} ms after max_age`;
        this.#owner.failed(new ConnectionError(ErrorCode.NO_ERROR, detail, ForcedClose.MAX_AGE_GRACE));
      }
    }
  }
}
