// Reads the stream from a sequence on, in order, all of it or one subject, by a pull consumer of the server: in memory
// and for this reader alone, or a follower's durable one (follower-place.ts). Without acknowledgements, since whoever
// reads keeps its own place. Used by read-records.ts and follow-log.ts, which open another one when this one is lost.
// Guarantees: what is taken is in order, nothing twice, nothing that the consumer delivered left out; at most two
// windows of records are asked for and not yet taken; a server that is silent for three seconds is noticed.
// Hot: `#arrived` runs once per record.

import { AckPolicy, type ConsumerConfig, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import { createInbox, type Msg, nanos, type Subscription } from "nats";
import type { Clock, Timer } from "../../../common/clock.ts";
import { LogUnavailable } from "../event-log.ts";
import { parseDelivery, parseStatus } from "./delivery.ts";
import type { Session } from "./session.ts";
import type { StoredMessage } from "./stored-record.ts";

export interface PullReaderOptions {
  readonly session: Session;
  readonly clock: Clock;
  /** The JetStream stream. */
  readonly streamName: string;
  /** For messages. */
  readonly where: string;
  /** The first sequence to read. */
  readonly from: number;
  /** Only this subject. */
  readonly subject?: string;
  /** Records asked for at a time. */
  readonly window: number;
  /** Default: a consumer that the server forgets with the reader. */
  readonly consumer?: ReaderConsumer | undefined;
}

export interface ReaderConsumer {
  readonly config: Partial<ConsumerConfig>;
  /** The server keeps it when the reader is closed. */
  readonly isKept: boolean;
}

const HEARTBEAT_MS = 1000;
/** Silent for so many heartbeats: lost. Counted by a timer of ours, so that a pause of our own process is one. */
const MAX_SILENT_BEATS = 3;
const REQUEST_EXPIRES_MS = 30_000;
/** The server forgets a reader that has died after so long without a request. */
const INACTIVE_AFTER_MS = 60_000;
/** What one request may bring at most, besides one largest message. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024;

const passingConsumer: ReaderConsumer = {
  config: { inactive_threshold: nanos(INACTIVE_AFTER_MS), mem_storage: true, num_replicas: 1 },
  isKept: false,
};

export class PullReader {
  readonly #options: PullReaderOptions;
  readonly #inbox = createInbox();
  readonly #subscription: Subscription;
  readonly #forgetEnd: () => void;
  #consumer = "";
  /** The last sequence that arrived. */
  #last: number;
  #buffer: StoredMessage[] = [];
  /** Asked for and not delivered. */
  #requested = 0;
  #delivered = 0;
  #silentBeats = 0;
  #beat: Timer | undefined;
  #lost: string | undefined;
  #wake: (() => void) | undefined;

  private constructor(options: PullReaderOptions) {
    this.#options = options;
    this.#last = options.from - 1;
    const { connection, onEnd } = options.session;
    this.#subscription = connection.subscribe(this.#inbox, { callback: (_, message) => this.#arrived(message) });
    this.#forgetEnd = onEnd((reason) => this.#lose(reason));
  }

  /** Throws what the NATS client throws. */
  static async open(options: PullReaderOptions): Promise<PullReader> {
    const { session, streamName, from, subject, consumer = passingConsumer } = options;
    const reader = new PullReader(options);
    try {
      const { name } = await session.jsm.consumers.add(streamName, {
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: from,
        replay_policy: ReplayPolicy.Instant,
        ...consumer.config,
        ...(subject === undefined ? {} : { filter_subject: subject }),
      });
      reader.#start(name);
      return reader;
    } catch (error) {
      reader.close();
      throw error;
    }
  }

  /** Waits for a record and gives what is there, at most `max`; nothing when `signal` aborts. Throws LogUnavailable. */
  async take(max: number, signal?: AbortSignal): Promise<readonly StoredMessage[]> {
    while (this.#buffer.length === 0) {
      if (signal?.aborted) return [];
      if (this.#lost !== undefined) throw new LogUnavailable(`${this.#options.where}: ${this.#lost}`);
      await this.#change(signal);
    }
    const taken = this.#buffer.splice(0, max);
    this.#request();
    return taken;
  }

  /** The server removes a consumer that is not kept; not waited for. */
  close(): void {
    // By now the name of a lost one may be somebody else's.
    const mayRemove = this.#lost === undefined || this.#options.consumer === undefined;
    this.#lose("the reader was closed");
    this.#forgetEnd();
    const { connection } = this.#options.session;
    if (connection.isClosed()) return;
    this.#subscription.unsubscribe();
    if (this.#consumer === "" || !mayRemove || this.#options.consumer?.isKept === true) return;
    // With a reply subject nobody listens on: the server answers, and the answer is dropped.
    connection.publish(this.#api("DELETE"), "", { reply: createInbox() });
  }

  #start(consumer: string): void {
    this.#consumer = consumer;
    this.#request();
    this.#beat = this.#options.clock.after(HEARTBEAT_MS, () => this.#onBeat());
  }

  #api(verb: string): string {
    const { streamName } = this.#options;
    return verb === "NEXT"
      ? `$JS.API.CONSUMER.MSG.NEXT.${streamName}.${this.#consumer}`
      : `$JS.API.CONSUMER.${verb}.${streamName}.${this.#consumer}`;
  }

  /** Asks for the next window while the one before is being worked on. */
  #request(): void {
    const { session, window } = this.#options;
    if (this.#lost !== undefined || session.connection.isClosed()) return;
    if (this.#buffer.length + this.#requested > window) return;
    const request = {
      batch: window,
      expires: nanos(REQUEST_EXPIRES_MS),
      idle_heartbeat: nanos(HEARTBEAT_MS),
      max_bytes: MAX_REQUEST_BYTES + (session.connection.info?.max_payload ?? 0),
    };
    this.#requested += window;
    session.connection.publish(this.#api("NEXT"), JSON.stringify(request), { reply: this.#inbox });
  }

  #arrived(message: Msg): void {
    this.#silentBeats = 0;
    if (this.#lost !== undefined) return;
    const delivery = parseDelivery(message.reply);
    if (delivery === undefined) {
      this.#statusCame(message);
      return;
    }
    if (delivery.consumerSequence !== this.#delivered + 1) {
      this.#lose(`delivery ${delivery.consumerSequence} came after ${this.#delivered}`);
      return;
    }
    if (delivery.times > 1 || delivery.streamSequence <= this.#last) {
      this.#lose(`record ${delivery.streamSequence} came again, after ${this.#last}`);
      return;
    }
    this.#last = delivery.streamSequence;
    this.#delivered++;
    this.#requested--;
    const { subject, headers: header, data } = message;
    this.#buffer.push({ subject, sequence: delivery.streamSequence, header, data });
    this.#wake?.();
  }

  #statusCame(message: Msg): void {
    const header = message.headers;
    if (header === undefined) return;
    const status = parseStatus(header.code, header.description, header.get("Nats-Pending-Messages"));
    if (status.kind === "heartbeat") return;
    if (status.kind === "lost") {
      this.#lose(status.reason);
      return;
    }
    this.#requested = status.unsent === undefined ? 0 : Math.max(0, this.#requested - status.unsent);
    this.#request();
  }

  #onBeat(): void {
    // Without a request there is nothing to hear.
    this.#silentBeats = this.#requested > 0 ? this.#silentBeats + 1 : 0;
    if (this.#silentBeats > MAX_SILENT_BEATS) {
      this.#lose(`no heartbeat of the consumer for ${MAX_SILENT_BEATS * HEARTBEAT_MS} ms`);
      return;
    }
    this.#beat = this.#options.clock.after(HEARTBEAT_MS, () => this.#onBeat());
  }

  #lose(reason: string): void {
    this.#lost ??= reason;
    this.#beat?.cancel();
    this.#wake?.();
  }

  /** Resolves when something arrived, was lost, or `signal` aborts. */
  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wake = undefined;
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#wake = done;
      signal?.addEventListener("abort", done, { once: true });
    });
  }
}
