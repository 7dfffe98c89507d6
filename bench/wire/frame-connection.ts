// One HTTP/2 connection at frame level, for the benchmark's own load generator and backend: both must cost far less
// than what stands between them. It knows frames, windows and nothing of headers: blocks go through as bytes. Being no
// code of the sidecar, it cannot share a mistake with it. (RFC 9113)
//
// Hot: once per frame. One socket write per event-loop turn, as the write is the dear part; a message that fits its
// windows, the usual case, touches no per-stream state.

import type { Socket } from "node:net";

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface FrameEvents {
  headers(streamId: number, isEnd: boolean): void;
  /** `payload` is only valid during the call. */
  data(streamId: number, payload: Buffer, isEnd: boolean): void;
  reset(streamId: number, code: number): void;
  /** The connection is of no use any more. */
  lost(reason: string): void;
}

const type = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;
const setting = { headerTableSize: 1, initialWindowSize: 4, maxFrameSize: 5 } as const;
const headBytes = 9;
/** As h2load: what we receive never waits for us. */
const ourWindow = 2 ** 30 - 1;
const firstWindow = 65_535;

/** A stream whose data did not fit its windows at once. */
interface Waiting {
  readonly id: number;
  window: number;
  rest: Buffer;
  readonly isEnd: boolean;
  onSent(): void;
}

export class FrameConnection {
  readonly #socket: Socket;
  readonly #events: FrameEvents;
  #unread: Buffer = Buffer.alloc(0);
  #awaitsPreface: boolean;
  /** Puts entries into the peer's header table; a server here has none. */
  readonly #isClient: boolean;
  #out = Buffer.allocUnsafe(1 << 16);
  #used = 0;
  #isFlushDue = false;
  /** Octets that the peer lets us send: on the connection, and at first on a stream. */
  #window = firstWindow;
  #streamWindow = firstWindow;
  #maxFrameBytes = 16_384;
  #receivedBytes = 0;
  readonly #waiting = new Map<number, Waiting>();

  constructor(socket: Socket, role: "client" | "server", events: FrameEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#isClient = role === "client";
    this.#awaitsPreface = !this.#isClient;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", (error) => events.lost(error.message));
    socket.on("close", () => events.lost("connection closed"));
    if (role === "client") this.#append(preface);
    const at = this.#frame(6, type.settings, 0, 0);
    this.#out.writeUInt16BE(setting.initialWindowSize, at);
    this.#out.writeUInt32BE(ourWindow, at + 2);
    this.#grant(ourWindow - firstWindow);
    this.#flushSoon();
  }

  sendHeaders(streamId: number, block: Buffer, isEnd: boolean): void {
    const at = this.#frame(block.length, type.headers, flag.endHeaders | (isEnd ? flag.endStream : 0), streamId);
    block.copy(this.#out, at);
    this.#flushSoon();
  }

  /** Sends all of a stream's data as one frame if its windows allow that now; false: nothing was sent. */
  trySendData(streamId: number, bytes: Buffer, isEnd: boolean): boolean {
    const room = Math.min(this.#window, this.#streamWindow, this.#maxFrameBytes);
    if (bytes.length > room || this.#waiting.size > 0) return false;
    this.#data(streamId, bytes, isEnd);
    return true;
  }

  /** Sends all of a stream's data as its windows allow; `bytes` must stay as they are until `onSent`. */
  sendData(streamId: number, bytes: Buffer, isEnd: boolean, onSent: () => void): void {
    const stream = { id: streamId, window: this.#streamWindow, rest: bytes, isEnd, onSent };
    this.#waiting.set(streamId, stream);
    this.#drain(stream);
  }

  /** The stream has ended before its data had gone. */
  forget(streamId: number): void {
    this.#waiting.delete(streamId);
  }

  close(): void {
    this.#socket.destroy();
  }

  #drain(stream: Waiting): void {
    while (stream.rest.length > 0) {
      const bytes = Math.min(stream.rest.length, this.#maxFrameBytes, this.#window, stream.window);
      if (bytes <= 0) return;
      stream.window -= bytes;
      const isLast = bytes === stream.rest.length;
      this.#data(stream.id, stream.rest.subarray(0, bytes), isLast && stream.isEnd);
      stream.rest = stream.rest.subarray(bytes);
    }
    this.#waiting.delete(stream.id);
    stream.onSent();
  }

  #data(streamId: number, bytes: Buffer, isEnd: boolean): void {
    this.#window -= bytes.length;
    const at = this.#frame(bytes.length, type.data, isEnd ? flag.endStream : 0, streamId);
    bytes.copy(this.#out, at);
    this.#flushSoon();
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    let at = 0;
    if (this.#awaitsPreface) {
      if (bytes.length < preface.length) {
        this.#unread = bytes;
        return;
      }
      this.#awaitsPreface = false;
      at = preface.length;
    }
    while (bytes.length - at >= headBytes) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      const end = at + headBytes + length;
      if (end > bytes.length) break;
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      this.#dispatch(bytes[at + 3]!, bytes[at + 4]!, streamId, { bytes, from: at + headBytes, to: end });
      at = end;
    }
    this.#unread = at === bytes.length ? nothing : Buffer.from(bytes.subarray(at));
  }

  #dispatch(kind: number, flags: number, streamId: number, { bytes, from, to }: Span): void {
    switch (kind) {
      case type.headers:
        this.#events.headers(streamId, (flags & flag.endStream) !== 0);
        return;
      case type.data: {
        this.#received(to - from);
        const isPadded = (flags & flag.padded) !== 0;
        const payload = isPadded ? bytes.subarray(from + 1, to - bytes[from]!) : bytes.subarray(from, to);
        this.#events.data(streamId, payload, (flags & flag.endStream) !== 0);
        return;
      }
      case type.windowUpdate:
        this.#credited(streamId, bytes.readUInt32BE(from));
        return;
      case type.settings:
        if ((flags & flag.ack) === 0) this.#settings(bytes, from, to);
        return;
      case type.ping:
        if ((flags & flag.ack) === 0) {
          const at = this.#frame(8, type.ping, flag.ack, 0);
          bytes.copy(this.#out, at, from, to);
          this.#flushSoon();
        }
        return;
      case type.rstStream:
        this.#waiting.delete(streamId);
        this.#events.reset(streamId, bytes.readUInt32BE(from));
        return;
      case type.goaway:
        this.#events.lost(`GOAWAY ${bytes.readUInt32BE(from + 4)} ${bytes.toString("latin1", from + 8, to)}`);
    }
  }

  #settings(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at + 6 <= to; at += 6) {
      const value = bytes.readUInt32BE(at + 2);
      const id = bytes.readUInt16BE(at);
      if (id === setting.initialWindowSize) {
        for (const stream of this.#waiting.values()) stream.window += value - this.#streamWindow;
        this.#streamWindow = value;
      } else if (id === setting.maxFrameSize) {
        this.#maxFrameBytes = Math.min(value, 65_536);
      } else if (id === setting.headerTableSize && value < 4_096 && this.#isClient) {
        this.#events.lost(`the peer wants a header table of ${value} octets, expected 4096 or more`);
      }
    }
    this.#frame(0, type.settings, flag.ack, 0);
    this.#drainAll();
    this.#flushSoon();
  }

  #credited(streamId: number, bytes: number): void {
    if (streamId === 0) {
      this.#window += bytes;
      this.#drainAll();
      return;
    }
    const stream = this.#waiting.get(streamId);
    if (stream === undefined) return;
    stream.window += bytes;
    this.#drain(stream);
  }

  #drainAll(): void {
    for (const stream of this.#waiting.values()) this.#drain(stream);
  }

  /** Gives the connection's credit back now and then; a stream's is larger than any answer here. */
  #received(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#receivedBytes < ourWindow / 4) return;
    this.#grant(this.#receivedBytes);
    this.#receivedBytes = 0;
    this.#flushSoon();
  }

  #grant(bytes: number): void {
    const at = this.#frame(4, type.windowUpdate, 0, 0);
    this.#out.writeUInt32BE(bytes, at);
  }

  /** Writes a frame's head and reserves its payload, whose offset it returns. */
  #frame(length: number, kind: number, flags: number, streamId: number): number {
    this.#reserve(headBytes + length);
    const out = this.#out;
    let at = this.#used;
    out[at++] = length >>> 16;
    out[at++] = length >>> 8;
    out[at++] = length;
    out[at++] = kind;
    out[at++] = flags;
    out[at++] = streamId >>> 24;
    out[at++] = streamId >>> 16;
    out[at++] = streamId >>> 8;
    out[at++] = streamId;
    this.#used = at + length;
    return at;
  }

  #append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#out, this.#used);
    this.#used += bytes.length;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#out.length * 2, this.#used + bytes));
    this.#out.copy(larger, 0, 0, this.#used);
    this.#out = larger;
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      const bytes = Buffer.from(this.#out.subarray(0, this.#used));
      this.#used = 0;
      if (!this.#socket.destroyed) this.#socket.write(bytes);
    });
  }
}

interface Span {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

const nothing = Buffer.alloc(0);
