// A connection's hold on its socket: the preface on both sides, input to whoever reads frames, one flush a turn, and
// the ways a socket ends. connection.ts decides when; this file knows how.
//
// Guarantees: a GOAWAY that was written is delivered before the socket is closed (we go on reading for a while, since
// closing with unread input would reset the connection and lose it); `closed` is told exactly once.

import type { Socket } from "node:net";
import type { Clock, Timer } from "../../common/clock.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { type Flushable, flushThisTurn } from "./flush-turn.ts";
import { clientPreface } from "./frames.ts";
import { ForcedClose, type Limits } from "./limits.ts";
import { Output } from "./output.ts";
import { Sender } from "./sender.ts";

export interface LinkOwner {
  /** Octets behind the preface. May throw ConnectionError. */
  received(chunk: Buffer, from: number): void;
  /** The input broke a rule: ends the connection. */
  failed(error: ConnectionError): void;
  /** Nothing more can be sent or received; the link destroys the socket. */
  lost(detail: string): void;
  /** Everything that could be sent was given to the socket. */
  flushed(): void;
  /** The peer does not read: ends the connection at once. */
  stuck(reason: string): void;
  /** The socket took what waited. */
  drained(): void;
  closed(): void;
}

export interface LinkParams {
  readonly socket: Socket;
  readonly isServer: boolean;
  readonly clock: Clock;
  readonly limits: Limits;
}

const lingerMs = 1000;

export class Link implements Flushable {
  readonly sender: Sender;
  readonly output: Output;
  isClosed = false;
  /** Input is dropped: a last word was said. */
  #isEnding = false;
  #isMarked = false;
  #wasConnected: boolean;
  #prefaceLeft: number;
  #lingerTimer: Timer | undefined = undefined;
  #queuedControlFrames = 0;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #owner: LinkOwner;
  readonly #maxQueuedControlFrames: number;

  constructor(params: LinkParams, owner: LinkOwner) {
    const { socket, isServer, clock, limits } = params;
    this.#socket = socket;
    this.#clock = clock;
    this.#owner = owner;
    this.#wasConnected = !socket.connecting;
    this.#prefaceLeft = isServer ? clientPreface.length : 0;
    this.#maxQueuedControlFrames = limits.maxQueuedControlFrames;
    this.output = new Output({
      socket,
      clock,
      writeStallMs: limits.writeStallMs,
      maxQueuedBytes: limits.maxQueuedBytes,
      onDrain: () => this.#drained(),
      onStuck: (kind) => owner.stuck(kind),
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
    this.#owner.flushed();
  }

  /** An answer to a frame was written. Those to a peer that does not read its socket must not pile up. */
  countControl(): void {
    if (this.#socket.writableLength === 0) this.#queuedControlFrames = 0;
    else if (++this.#queuedControlFrames > this.#maxQueuedControlFrames) this.#owner.stuck(ForcedClose.CONTROL_QUEUE);
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
    this.#owner.lost(detail);
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#isEnding) return;
    try {
      const from = this.#prefaceLeft > 0 ? this.#readPreface(chunk) : 0;
      if (from < chunk.length) this.#owner.received(chunk, from);
    } catch (error) {
      if (!(error instanceof ConnectionError)) {
        this.#owner.failed(new ConnectionError(ErrorCode.INTERNAL_ERROR, "defect while reading"));
        throw error;
      }
      this.#owner.failed(error);
    }
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
    this.#owner.drained();
  }

  #closed(): void {
    if (this.isClosed) return;
    this.#owner.lost("the socket closed");
    this.isClosed = true;
    this.#lingerTimer?.cancel();
    this.output.close();
    this.#owner.closed();
  }
}
