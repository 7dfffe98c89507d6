// Publishes records on one connection with many in flight: every message has its own reply subject below one inbox, so
// one subscription takes all acknowledgements. That is four times as fast as a request for each message, which has a
// promise race, a timer and a token each. Made by session.ts; called by append-record.ts.
// Guarantees: at most so many records and bytes in flight, the others wait in order; whatever happens to the
// connection, every append ends: acknowledged, refused, or unavailable.
// Hot: runs once per append.

import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from "nats";
import type { Clock, Timer } from "../../../common/clock.ts";
import { LogUnavailable } from "../event-log.ts";
import { type PublishAck, parsePublishAck } from "./publish-ack.ts";

export interface AppendPipelineOptions {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  /** For messages, as `event log nats://…, stream QUOTER_EVENTS`. */
  readonly where: string;
  /** How long an append may take, waiting included. */
  readonly giveUpAfterMs: number;
}

interface Waiting {
  readonly subject: string;
  readonly header: MsgHdrs;
  readonly data: Uint8Array;
  readonly sinceMs: number;
  readonly resolve: (ack: PublishAck) => void;
  readonly reject: (error: unknown) => void;
}

/** Enough to keep the server's disk busy over any sensible round trip. */
const MAX_IN_FLIGHT = 4096;
/** Bounds what the client buffers; one record larger than this still goes, alone. */
const MAX_IN_FLIGHT_BYTES = 16 * 1024 * 1024;
/** As the SQLite log: further appends are refused at once. */
const MAX_WAITING = 10_000;
const SWEEP_MS = 100;

export class AppendPipeline {
  readonly #options: AppendPipelineOptions;
  readonly #inbox = createInbox();
  /** By number, which grows, so the first entry is the oldest. */
  readonly #inFlight = new Map<number, Waiting>();
  #inFlightBytes = 0;
  #waiting: Waiting[] = [];
  #nextNumber = 1;
  #sweep: Timer | undefined;
  #ended: string | undefined;

  constructor(options: AppendPipelineOptions) {
    this.#options = options;
    options.connection.subscribe(`${this.#inbox}.*`, { callback: (_, message) => this.#answered(message) });
  }

  /** Rejects with LogUnavailable: the record may be stored or not. */
  publish(subject: string, header: MsgHdrs, data: Uint8Array): Promise<PublishAck> {
    if (this.#ended !== undefined) return Promise.reject(this.#unavailable(this.#ended));
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(this.#unavailable(`${MAX_WAITING} appends wait already`));
    }
    return new Promise((resolve, reject) => {
      const sinceMs = this.#options.clock.nowMs();
      const append = { subject, header, data, sinceMs, resolve, reject };
      if (this.#waiting.length === 0 && this.#hasRoomFor(append)) this.#send(append);
      else this.#waiting.push(append);
      this.#sweep ??= this.#options.clock.after(SWEEP_MS, () => this.#sweepOld());
    });
  }

  /** The connection is gone: everything that was not answered ends with `reason`, and so does all that comes. */
  end(reason: string): void {
    this.#ended = reason;
    this.#sweep?.cancel();
    const open = [...this.#inFlight.values(), ...this.#waiting];
    this.#inFlight.clear();
    this.#waiting = [];
    for (const { reject } of open) reject(this.#unavailable(reason));
  }

  /** The server lets us not publish on `subject`; it says so beside the answers, not as one. */
  forbid(subject: string): void {
    for (const [number, append] of this.#inFlight) {
      if (append.subject !== subject) continue;
      this.#take(number);
      append.reject(this.#unavailable(`we may not publish on ${subject}; the NATS user needs that permission`));
    }
    this.#sendMore();
  }

  #hasRoomFor({ data }: Waiting): boolean {
    if (this.#inFlight.size === 0) return true;
    return this.#inFlight.size < MAX_IN_FLIGHT && this.#inFlightBytes + data.length <= MAX_IN_FLIGHT_BYTES;
  }

  #send(append: Waiting): void {
    const number = this.#nextNumber++;
    const { subject, header, data, reject } = append;
    try {
      this.#options.connection.publish(subject, data, { reply: `${this.#inbox}.${number}`, headers: header });
    } catch (error) {
      // Too large for the server, or the connection closed a moment ago, which `end` will tell the others.
      reject(this.#unsendable(append, error));
      return;
    }
    this.#inFlight.set(number, append);
    this.#inFlightBytes += data.length;
  }

  #unsendable({ data }: Waiting, error: unknown): Error {
    const { connection } = this.#options;
    const maxBytes = connection.info?.max_payload;
    if (maxBytes !== undefined && data.length > maxBytes - 1024) {
      return new Error(`record of ${data.length} bytes: the NATS server takes at most ${maxBytes} with headers`);
    }
    return this.#unavailable(error instanceof Error ? error.message : String(error));
  }

  #answered(message: Msg): void {
    const append = this.#take(Number(message.subject.slice(this.#inbox.length + 1)));
    // Late: the append was given up before.
    if (append === undefined) return;
    const isStatus = message.data.length === 0;
    append.resolve(parsePublishAck(message.string(), isStatus ? (message.headers?.code ?? 0) : 0));
    if (this.#waiting.length > 0) this.#sendMore();
  }

  #take(number: number): Waiting | undefined {
    const append = this.#inFlight.get(number);
    if (append === undefined) return undefined;
    this.#inFlight.delete(number);
    this.#inFlightBytes -= append.data.length;
    return append;
  }

  #sendMore(): void {
    let sent = 0;
    for (const append of this.#waiting) {
      if (!this.#hasRoomFor(append)) break;
      this.#send(append);
      sent++;
    }
    this.#waiting.splice(0, sent);
  }

  /** One timer for all: they all have the same patience, so the oldest are in front. */
  #sweepOld(): void {
    const untilMs = this.#options.clock.nowMs() - this.#options.giveUpAfterMs;
    const late = this.#unavailable(`no acknowledgement within ${this.#options.giveUpAfterMs} ms`);
    for (const [number, { sinceMs, reject }] of this.#inFlight) {
      if (sinceMs > untilMs) break;
      this.#take(number);
      reject(late);
    }
    let expired = 0;
    while ((this.#waiting[expired]?.sinceMs ?? Number.POSITIVE_INFINITY) <= untilMs) expired++;
    for (const { reject } of this.#waiting.splice(0, expired)) reject(late);
    this.#sendMore();
    const isIdle = this.#inFlight.size === 0 && this.#waiting.length === 0;
    this.#sweep = isIdle ? undefined : this.#options.clock.after(SWEEP_MS, () => this.#sweepOld());
  }

  #unavailable(reason: string): LogUnavailable {
    return new LogUnavailable(`${this.#options.where}: ${reason}`);
  }
}
