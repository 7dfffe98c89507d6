// What a connection does about time and memory, beside its frames: carries out what watch.ts and buffered-bytes.ts
// decide. Owns the connection's timer and its share of the process's buffers. Made and told by connection.ts.

import type { BufferOwner, Holding } from "./buffered-bytes.ts";
import type { ConnectionEvents, ConnectionParams } from "./connection-params.ts";
import type { Ending } from "./ending.ts";
import { ConnectionError, ErrorCode, StreamError } from "./error-code.ts";
import type { FrameReader } from "./frame-reader.ts";
import { ForcedClose, type Limits, StreamRefusal } from "./limits.ts";
import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";
import { Watch, type Watched } from "./watch.ts";

/** The connection, as its upkeep sees it. */
export interface UpkeepHost {
  readonly isServer: boolean;
  /** The peer's SETTINGS came. */
  readonly isReady: boolean;
  readonly streams: StreamTable;
  /** Grow with every stream that was opened, and with everything that arrives. */
  readonly openedStreams: number;
  readonly reads: number;
  readonly reader: FrameReader;
  readonly sender: Sender;
  readonly ending: Ending;
  resetStream(stream: Stream, code: ErrorCode): void;
}

export const keepalivePing: Buffer = Buffer.from("ferry-ka", "latin1");
const holdsMost = "it holds most of what the process may hold";

export class Upkeep implements Watched<Stream>, BufferOwner {
  readonly isServer: boolean;
  readonly streams: StreamTable;
  readonly holding: Holding;
  readonly #host: UpkeepHost;
  readonly #events: ConnectionEvents;
  readonly #limits: Limits;
  readonly #watch: Watch<Stream>;

  constructor(host: UpkeepHost, params: ConnectionParams) {
    this.isServer = host.isServer;
    this.streams = host.streams;
    this.#host = host;
    this.#events = params.events;
    this.#limits = params.limits;
    this.holding = params.buffers.open(this);
    this.#watch = new Watch(this, params);
  }

  get openedStreams(): number {
    return this.#host.openedStreams;
  }

  get reads(): number {
    return this.#host.reads;
  }

  get reader(): FrameReader {
    return this.#host.reader;
  }

  get hasHeldBytes(): boolean {
    return this.holding.bytes > 0;
  }

  /** The rest of a frame or header block is awaited. */
  wake(): void {
    this.#watch.wake();
  }

  handshakeDone(): void {
    this.#watch.handshakeDone();
  }

  /** The connection's last word was said: nothing is watched any more. */
  stop(): void {
    this.#watch.close();
  }

  /** The socket is closed: nothing is held any more. */
  close(): void {
    this.#watch.close();
    this.holding.close();
  }

  // --- What the watch asks for ---

  handshakeTimedOut(): void {
    const what = this.#host.isReady ? "SETTINGS were not acknowledged" : "no SETTINGS came";
    const detail = `${what} in ${this.#limits.handshakeMs} ms`;
    this.failed(new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, detail, ForcedClose.HANDSHAKE_TIMEOUT));
  }

  sendKeepalive(): void {
    this.#host.sender.ping(false, keepalivePing, 0);
  }

  stalled(stream: Stream): void {
    this.#giveUp(stream, StreamRefusal.SEND_STALL, "its peer does not take what waits");
  }

  retire(reason: string, detail: string): void {
    this.#host.ending.retire(reason, detail);
  }

  failed(error: ConnectionError): void {
    this.#host.ending.failed(error);
  }

  stuck(reason: string, detail: string): void {
    this.#host.ending.stuck(reason, detail);
  }

  // --- What the process's buffers ask for ---

  held(): void {
    this.#watch.wake();
  }

  /** Resets the streams that hold most; or closes the connection, if most waits in its socket. */
  shed(bytes: number): void {
    const streams = this.streams.list().filter((stream) => stream.heldBytes > 0);
    const inStreams = streams.reduce((sum, stream) => sum + stream.heldBytes, 0);
    if (inStreams < this.holding.bytes / 2) {
      this.stuck(ForcedClose.BUFFERED_BYTES, holdsMost);
      return;
    }
    const goal = this.holding.bytes - bytes;
    for (const stream of streams.sort((a, b) => b.heldBytes - a.heldBytes)) {
      if (this.holding.bytes <= goal) return;
      this.#giveUp(stream, StreamRefusal.BUFFERED_BYTES, holdsMost);
    }
  }

  #giveUp(stream: Stream, reason: string, detail: string): void {
    this.#events.refused(reason);
    this.#host.resetStream(stream, this.isServer ? ErrorCode.ENHANCE_YOUR_CALM : ErrorCode.CANCEL);
    stream.die(new StreamError(ErrorCode.ENHANCE_YOUR_CALM, "us", `stream ${stream.id}: ${reason}: ${detail}`));
  }
}
