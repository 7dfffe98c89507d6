// A connection's hold on its socket: the preface on both sides, input to whoever reads frames, one flush a turn, and
// the ways a socket ends. connection.ts decides when; this file knows how.
//
// Guarantees: a GOAWAY that was written is delivered before the socket is closed (we go on reading for a while, since
// closing with unread input would reset the connection and lose it); `closed` is told exactly once.

import type { Socket } from "node:net";
import type { Clock, Timer } from "../../common/clock.ts";
import type { Holding } from "./buffered-bytes.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { type Flushable, flushThisTurn } from "./flush-turn.ts";
import { clientPreface } from "./frames.ts";
import { ForcedClose, type Limits } from "./limits.ts";
import { Output } from "./output.ts";
import { Sender } from "./sender.ts";

/** Whoever reads frames. */
export interface LinkReader {
  /**
   * Octets behind the preface. Returns the offset behind what was read: what is left is given again in the next turn.
   * May throw ConnectionError.
   */
  received(chunk: Buffer, from: number): number;
}

/** Whoever knows how a connection ends. */
export interface LinkEnds {
  /** The input broke a rule: ends the connection. */
  failed(error: ConnectionError): void;
  /** Nothing more can be sent or received; the link destroys the socket. */
  lost(detail: string): void;
  /** Everything that could be sent was given to the socket. */
  flushed(): void;
  /** The peer does not read: ends the connection at once. */
  stuck(reason: string, detail: string): void;
  closed(): void;
}

export interface LinkParams {
  readonly socket: Socket;
  readonly isServer: boolean;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Where what waits in the socket is counted. */
  readonly holding: Holding;
  readonly reader: LinkReader;
  readonly ends: LinkEnds;
}

const notReading = "the peer does not read";
const lingerMs = 1000;

export class Link implements Flushable {
  readonly sender: Sender;
  readonly output: Output;
  isClosed = false;
  /** Input is dropped: a last word was said. */
  #isEnding = false;
  #isMarked = false;
  /** The rest of a read waits for the next turn. */
  #isPostponed = false;
  #wasConnected: boolean;
  #prefaceLeft: number;
  #lingerTimer: Timer | undefined = undefined;
  #queuedControlFrames = 0;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #reader: LinkReader;
  readonly #ends: LinkEnds;
  readonly #maxQueuedControlFrames: number;

  constructor(params: LinkParams) {
    const { socket, isServer, clock, limits, holding, ends } = params;
    this.#socket = socket;
    this.#clock = clock;
    this.#reader = params.reader;
    this.#ends = ends;
    this.#wasConnected = !socket.connecting;
    this.#prefaceLeft = isServer ? clientPreface.length : 0;
    this.#maxQueuedControlFrames = limits.maxQueuedControlFrames;
    this.output = new Output({
      socket,
      clock,
      writeStallMs: limits.writeStallMs,
      maxQueuedBytes: limits.maxQueuedBytes,
      holding,
      onDrain: () => this.#drained(),
      onStuck: (reason) => ends.stuck(reason, notReading),
    });
    this.sender = new Sender(this.output, () => this.mark());
    if (!isServer) this.sender.frame(clientPreface);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => this.destroy("the peer closed the connection"));
    socket.on("error", (error) => this.destroy(error.message));
    socket.on("close", () => this.#closed());
    if (socket.connecting) {
      socket.once("connect", () => {
        this.#wasConnected = true;
      });
    }
  }

  /** Octets of output that the peer may have seen. */
  get writtenBytes(): number {
    return this.#wasConnected ? this.output.handedBytes : 0;
  }

  /** Has the output flushed at the end of this turn. */
  mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    flushThisTurn(this);
  }

  flush(): void {
    this.#isMarked = false;
    if (this.isClosed) return;
    this.sender.sendQueued();
    this.output.flush();
    this.#ends.flushed();
  }

  /** An answer to a frame was written. Those to a peer that does not read its socket must not pile up. */
  countControl(): void {
    if (this.#socket.writableLength === 0) this.#queuedControlFrames = 0;
    else if (++this.#queuedControlFrames > this.#maxQueuedControlFrames) {
      this.#ends.stuck(ForcedClose.CONTROL_QUEUE, notReading);
    }
  }

  /** Sends what was written and closes; what still comes in is dropped. */
  end(): void {
    this.#isEnding = true;
    this.output.flush();
    this.#socket.end();
    this.#lingerTimer ??= this.#clock.after(lingerMs, () => this.#socket.destroy());
  }

  /** Closes at once. */
  destroy(detail: string): void {
    this.#isEnding = true;
    this.#ends.lost(detail);
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#isEnding) return;
    try {
      const from = this.#prefaceLeft > 0 ? this.#readPreface(chunk) : 0;
      if (from === chunk.length) return;
      const stop = this.#reader.received(chunk, from);
      if (stop < chunk.length) this.#postpone(chunk.subarray(stop));
    } catch (error) {
      if (!(error instanceof ConnectionError)) {
        this.#ends.failed(new ConnectionError(ErrorCode.INTERNAL_ERROR, "defect while reading"));
        throw error;
      }
      this.#ends.failed(error);
    }
  }

  /** Reads the rest in the next turn, so that other connections get theirs; until then nothing more is taken in. */
  #postpone(rest: Buffer): void {
    const copy = Buffer.from(rest);
    this.#isPostponed = true;
    this.#socket.pause();
    setImmediate(() => {
      this.#isPostponed = false;
      if (this.isClosed) return;
      this.#read(copy);
      if (!this.#isPostponed) this.#socket.resume();
    });
  }

  #readPreface(chunk: Buffer): number {
    const at = clientPreface.length - this.#prefaceLeft;
    const bytes = Math.min(this.#prefaceLeft, chunk.length);
    if (chunk.compare(clientPreface, at, at + bytes, 0, bytes) !== 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 preface");
    }
    this.#prefaceLeft -= bytes;
    return bytes;
  }

  #drained(): void {
    this.#queuedControlFrames = 0;
    if (this.sender.hasReady) this.mark();
  }

  #closed(): void {
    if (this.isClosed) return;
    this.#ends.lost("the socket closed");
    this.isClosed = true;
    this.#lingerTimer?.cancel();
    this.output.close();
    this.#ends.closed();
  }
}
