// The client's side of a connection: sends requests and tells a listener of each reply. Used by transport/dial.ts and
// transport/pool.ts; the wire work is connection.ts's and stream.ts's, for both roles.

import type { Socket } from "node:net";
import type { Clock } from "../../common/clock.ts";
import { type Random, systemRandom } from "../../common/random.ts";
import type { BodySource } from "./body.ts";
import { type BufferedBytes, processBuffers } from "./buffered-bytes.ts";
import { Connection } from "./connection.ts";
import { type ConnectionEvents, defaultWindows, type Windows } from "./connection-params.ts";
import { ErrorCode, StreamError } from "./error-code.ts";
import type { HeaderFields } from "./header-field.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import type { ReplyListener as Listener } from "./reply-listener.ts";

/** Whoever sent a request is told of its response. */
export type ReplyListener = Listener;

/** A request of ours that is under way. */
export interface ClientStream {
  /**
   * RST_STREAM(code), unless the response was complete. The listener is told `failed`, or its body's sink `abort`, then
   * `ended`.
   */
  cancel(code: ErrorCode): void;
}

export interface ClientConnectionOptions {
  readonly clock: Clock;
  /** We closed the connection: `reason` is one word for metrics (see limits.ts), `detail` a sentence for a log. */
  readonly onForcedClose?: (reason: string, detail: string) => void;
  /** We refused or reset one stream by a limit: one word for metrics (StreamRefusal in limits.ts). */
  readonly onRefused?: (reason: string) => void;
  /** `available` may have grown. */
  readonly onAvailable?: () => void;
  /** Instead of the defaults of limits.ts. */
  readonly limits?: Partial<Limits>;
  readonly windows?: Partial<Windows>;
  /** Where what waits is counted; default: the process's. */
  readonly buffers?: BufferedBytes;
  /** For jitter; default: the process's. */
  readonly random?: Random;
}

export class ClientConnection {
  readonly #connection: Connection;
  readonly #ready: Promise<void>;
  readonly #closeListeners: (() => void)[] = [];
  readonly #drainListeners: (() => void)[] = [];
  #isRefusing = false;

  /** Takes over a socket that is connected or connecting (plain or TLS). */
  constructor(socket: Socket, options: ClientConnectionOptions) {
    const ready = Promise.withResolvers<void>();
    let failure = "closed before it answered";
    socket.on("error", (error) => {
      failure = error.message;
    });
    const events: ConnectionEvents = {
      request() {},
      tooLarge() {},
      ready: () => ready.resolve(),
      slotFree: (isRefusal) => {
        this.#isRefusing = isRefusal === true;
        options.onAvailable?.();
      },
      draining: () => tell(this.#drainListeners),
      forcedClose: (reason, detail) => {
        failure = detail;
        // The socket may linger for a peer that reads nothing; whoever waits need not.
        ready.reject(new StreamError(ErrorCode.CONNECT_ERROR, "connection", failure, true));
        options.onForcedClose?.(reason, detail);
      },
      refused: (reason) => options.onRefused?.(reason),
      closed: () => {
        ready.reject(new StreamError(ErrorCode.CONNECT_ERROR, "connection", failure, true));
        tell(this.#closeListeners);
      },
    };
    this.#ready = ready.promise;
    this.#ready.catch(() => {});
    this.#connection = new Connection({
      socket,
      isServer: false,
      clock: options.clock,
      limits: { ...defaultLimits, ...options.limits },
      windows: { ...defaultWindows, ...options.windows },
      buffers: options.buffers ?? processBuffers,
      random: options.random ?? systemRandom,
      events,
    });
  }

  /**
   * Streams that may be opened now: what the peer allows (100 before it told) minus the open ones, and minus those that
   * were cancelled and of which the peer may not know yet.
   */
  get available(): number {
    return this.#connection.available;
  }

  /** The last stream that ended was refused (REFUSED_STREAM): another connection is the better choice. */
  get isRefusing(): boolean {
    return this.#isRefusing;
  }

  get openStreams(): number {
    return this.#connection.streams.size;
  }

  get state(): "connecting" | "open" | "draining" | "closed" {
    const { link, ending, isReady } = this.#connection;
    if (link.isClosed) return "closed";
    if (ending.isClosing || ending.isDraining) return "draining";
    return isReady ? "open" : "connecting";
  }

  /** Resolves with the peer's SETTINGS; rejects with StreamError(neverProcessed) if none come. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /**
   * Opens a stream. `body` undefined: END_STREAM on HEADERS. Throws StreamError(neverProcessed) when `available` is 0
   * or when the header is larger than the peer takes.
   */
  request(fields: HeaderFields, body: BodySource | undefined, listener: ReplyListener): ClientStream {
    return this.#connection.open(fields, body, listener);
  }

  /** Told once, when the socket is closed. */
  onClose(listener: () => void): void {
    if (this.#connection.link.isClosed) listener();
    else this.#closeListeners.push(listener);
  }

  /** Told once, when the peer sent GOAWAY. */
  onDraining(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  /** No new streams; resolves when the last one has ended and the socket is closed. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.onClose(resolve);
      this.#connection.ending.drain();
    });
  }

  /** Closes at once; all streams fail. */
  destroy(): void {
    this.#connection.link.destroy("closed by us");
  }
}

function tell(listeners: (() => void)[]): void {
  for (const listener of listeners.splice(0)) listener();
}
