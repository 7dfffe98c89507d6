// The server's side of a connection: requests come in as streams and are answered. Used by transport/listen.ts; the
// wire work is connection.ts's and stream.ts's, for both roles.
//
// Answers by itself only what must not reach the handler: CONNECT (501), and headers over a limit (431, for gRPC
// RESOURCE_EXHAUSTED) unless the owner takes those.

import type { Socket } from "node:net";
import type { Clock } from "../../common/clock.ts";
import { type Random, systemRandom } from "../../common/random.ts";
import type { BodySource } from "./body.ts";
import { type BufferedBytes, processBuffers } from "./buffered-bytes.ts";
import { Connection } from "./connection.ts";
import { type ConnectionEvents, defaultWindows, type Windows } from "./connection-params.ts";
import { ConnectionError, type ErrorCode, type StreamError } from "./error-code.ts";
import { fieldValue, HeaderField, type HeaderFields } from "./header-field.ts";
import { defaultLimits, type Limits } from "./limits.ts";

/** One request from a client. */
export interface ServerStream {
  /** The request's header, pseudo fields first. */
  readonly fields: HeaderFields;
  /** The request ended with its header. */
  readonly endsWithHead: boolean;
  readonly request: BodySource;
  /** Sends the final response header. `end`: it is all (in gRPC, Trailers-Only). */
  respond(fields: HeaderFields, end: boolean): void;
  /**
   * After `respond(fields, false)`: sends this body. Grants to it what leaves for the socket. If it aborts, the stream
   * is reset: with CANCEL if that is the error's code, else with INTERNAL_ERROR.
   */
  sendBody(body: BodySource): void;
  /** RST_STREAM; what is queued is dropped. */
  reset(code: ErrorCode): void;
  /** Told once if the client goes away before all was sent: by RST_STREAM, a broken rule or a lost connection. */
  onAbort(listener: (error: StreamError) => void): void;
  /** Told once when all was sent or the stream died, with the octets of response body that were sent. */
  onClose(listener: (sentBytes: number) => void): void;
}

export type ServerHandler = (stream: ServerStream) => void;

export interface ServerConnectionOptions {
  readonly clock: Clock;
  readonly onRequest: ServerHandler;
  /**
   * Answers a request whose header is over a limit. `fields` has what came before the limit, pseudo fields first, and
   * nothing else of it is checked: it is not to be passed on. Default: a bare 431, for gRPC RESOURCE_EXHAUSTED.
   */
  readonly onTooLarge?: ServerHandler;
  /** The socket is closed. */
  readonly onClose?: () => void;
  /** We closed the connection: `reason` is one word for metrics (see limits.ts), `detail` a sentence for a log. */
  readonly onForcedClose?: (reason: string, detail: string) => void;
  /** We refused or reset one stream by a limit: one word for metrics (StreamRefusal in limits.ts). */
  readonly onRefused?: (reason: string) => void;
  /** Instead of the defaults of limits.ts. */
  readonly limits?: Partial<Limits>;
  readonly windows?: Partial<Windows>;
  /** Where what waits is counted; default: the process's. */
  readonly buffers?: BufferedBytes;
  /** For jitter; default: the process's. */
  readonly random?: Random;
}

export class ServerConnection {
  readonly #connection: Connection;
  readonly #drained: (() => void)[] = [];

  /** Takes over a connected socket (plain or TLS). */
  constructor(socket: Socket, options: ServerConnectionOptions) {
    const events: ConnectionEvents = {
      request: (stream) => {
        if (stream.fields[0]?.value === "CONNECT") stream.respond(notImplemented, true);
        else options.onRequest(stream);
      },
      tooLarge: options.onTooLarge ?? answerTooLarge,
      ready() {},
      slotFree() {},
      draining() {},
      forcedClose: (reason, detail) => options.onForcedClose?.(reason, detail),
      refused: (reason) => options.onRefused?.(reason),
      closed: () => {
        options.onClose?.();
        for (const resolve of this.#drained.splice(0)) resolve();
      },
    };
    this.#connection = new Connection({
      socket,
      isServer: true,
      clock: options.clock,
      limits: { ...defaultLimits, ...options.limits },
      windows: { ...defaultWindows, ...options.windows },
      buffers: options.buffers ?? processBuffers,
      random: options.random ?? systemRandom,
      events,
    });
  }

  get openStreams(): number {
    return this.#connection.streams.size;
  }

  /** Two-step GOAWAY: (2^31-1), PING, the last id. Resolves when all streams have ended and the socket is closed. */
  drain(): Promise<void> {
    if (this.#connection.link.isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained.push(resolve);
      this.#connection.ending.drain();
    });
  }

  /** It was told to go away, or the peer did so. */
  get isDraining(): boolean {
    return this.#connection.ending.isDraining || this.#connection.ending.isClosing;
  }

  /** As `drain`, told as a forced close for `reason`. */
  retire(reason: string, detail: string): void {
    this.#connection.ending.retire(reason, detail);
  }

  /**
   * GOAWAY(code) and close; all streams die. `detail` goes into GOAWAY's debug text, with `reason` (limits.ts) or the
   * code's name before it.
   */
  destroy(code: ErrorCode, detail: string, reason?: string): void {
    this.#connection.ending.failed(new ConnectionError(code, detail, reason));
  }
}

const notImplemented: HeaderFields = [new HeaderField(":status", "501")];
const tooLarge: HeaderFields = [new HeaderField(":status", "431")];
const tooLargeGrpc: HeaderFields = [
  new HeaderField(":status", "200"),
  new HeaderField("content-type", "application/grpc"),
  new HeaderField("grpc-status", "8"),
  new HeaderField("grpc-message", "request header over the limit"),
];

function answerTooLarge(stream: ServerStream): void {
  const isGrpc = fieldValue(stream.fields, "content-type")?.startsWith("application/grpc") === true;
  stream.respond(isGrpc ? tooLargeGrpc : tooLarge, true);
}
