// How a connection ends: in peace by GOAWAY and the end of its streams, by force with GOAWAY(code, reason), or by loss.
// One per connection, made by connection.ts; link.ts tells it what happens to the socket.
//
// Guarantees: whatever the way, every stream is told once, and every forced close has one reason.

import type { Clock } from "../../common/clock.ts";
import { Budget } from "./budget.ts";
import type { ConnectionEvents, ConnectionParams } from "./connection-params.ts";
import { type ConnectionError, ErrorCode, StreamError } from "./error-code.ts";
import { encodeGoaway } from "./frames.ts";
import { Goodbye, type GoodbyeHost } from "./goodbye.ts";
import { ForcedClose, goawayText } from "./limits.ts";
import type { Link, LinkEnds } from "./link.ts";
import type { StreamTable } from "./stream-table.ts";
import type { Upkeep } from "./upkeep.ts";

/** The connection, as its ending sees it. */
export interface EndingHost {
  readonly isServer: boolean;
  readonly streams: StreamTable;
  readonly link: Link;
  readonly upkeep: Upkeep;
  /** The highest stream that the peer has opened. */
  readonly lastPeerId: number;
}

export class Ending implements LinkEnds, GoodbyeHost {
  /** No new streams: a GOAWAY was sent or came. */
  isDraining = false;
  /** The last word was said, or the socket is gone. */
  isClosing = false;
  readonly #host: EndingHost;
  readonly #events: ConnectionEvents;
  readonly #goodbye: Goodbye;
  readonly #clock: Clock;
  readonly #cancels: Budget;

  constructor(host: EndingHost, params: ConnectionParams) {
    this.#host = host;
    this.#events = params.events;
    this.#goodbye = new Goodbye(this, params.clock);
    this.#clock = params.clock;
    this.#cancels = new Budget(params.limits.cancelBurst, params.limits.cancelsPerSecond);
  }

  /** Streams above this are not looked at. */
  get lastAccepted(): number {
    return this.#goodbye.lastAccepted;
  }

  get lastPeerId(): number {
    return this.#host.lastPeerId;
  }

  // --- In peace ---

  /** Two-step GOAWAY (RFC 9113 section 6.8); the connection closes when its last stream has ended. */
  drain(text = "drain"): void {
    if (this.isDraining || this.isClosing) return;
    this.isDraining = true;
    if (this.#host.isServer) this.#goodbye.begin(text);
    else this.#host.link.mark();
  }

  /** As `drain`, for a reason that is counted. */
  retire(reason: string, detail: string): void {
    if (this.isDraining || this.isClosing) return;
    this.#events.forcedClose(reason, detail);
    this.drain(goawayText(reason, detail));
    if (!this.#host.isServer) this.#events.draining();
  }

  /** We cancelled a request: a server that is sent too many would close the connection for all who share it. */
  countCancel(): void {
    if (this.#cancels.take(this.#clock.nowMs())) return;
    this.retire(ForcedClose.CANCELS, "many requests were cancelled");
  }

  /** A server sent GOAWAY. */
  goawayCame(): void {
    const isFirst = !this.isDraining;
    this.isDraining = true;
    if (isFirst) this.#events.draining();
    this.#host.link.mark();
  }

  /** The PING behind our first GOAWAY was answered. */
  goodbyeAnswered(): void {
    this.#goodbye.finish();
  }

  sendGoaway(lastStreamId: number, text: string): void {
    if (!this.isClosing) this.#host.link.sender.frame(encodeGoaway(lastStreamId, ErrorCode.NO_ERROR, text));
  }

  sendPing(payload: Buffer): void {
    this.#host.link.sender.ping(false, payload, 0);
  }

  /** The output was flushed: when all streams have ended after a GOAWAY, says goodbye and closes. */
  flushed(): void {
    if (!this.isDraining || this.isClosing || this.#host.streams.size > 0 || this.#goodbye.isDue) return;
    this.isClosing = true;
    this.#host.upkeep.stop();
    if (!this.#host.isServer) this.#host.link.sender.frame(encodeGoaway(0, ErrorCode.NO_ERROR, ""));
    this.#host.link.end();
  }

  // --- By force ---

  /** Closes by GOAWAY(code, reason); all streams die. */
  failed(error: ConnectionError): void {
    if (!this.#close(error.reason, error.message, error.code)) return;
    const text = goawayText(error.reason, error.message);
    this.#host.link.sender.frame(encodeGoaway(this.lastPeerId, error.code, text));
    this.#host.link.end();
  }

  /** Closes at once: the peer does not read, so nothing more can be said. */
  stuck(reason: string, detail: string): void {
    if (this.#close(reason, detail, ErrorCode.INTERNAL_ERROR)) this.#host.link.destroy(reason);
  }

  #close(reason: string, detail: string, code: ErrorCode): boolean {
    if (this.isClosing) return false;
    this.isClosing = true;
    this.#host.upkeep.stop();
    this.#events.forcedClose(reason, detail);
    this.#killStreams(`connection closed: ${detail}`, code);
    return true;
  }

  // --- By loss ---

  lost(detail: string): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#host.upkeep.stop();
    this.#killStreams(`connection lost: ${detail}`, ErrorCode.INTERNAL_ERROR);
  }

  closed(): void {
    this.#goodbye.cancel();
    this.#host.upkeep.close();
    this.#events.closed();
  }

  /** `code` is for the replies that broke off; requests that broke off are cancels, whatever the reason. */
  #killStreams(detail: string, code: ErrorCode): void {
    const { isServer, link } = this.#host;
    const streams = this.#host.streams.list();
    this.#host.streams.clear();
    for (const stream of streams) {
      const text = `stream ${stream.id}: ${detail}`;
      const neverProcessed = !isServer && stream.headAt >= link.writtenBytes;
      stream.die(new StreamError(isServer ? ErrorCode.CANCEL : code, "connection", text, neverProcessed));
    }
  }
}
