// The sending half of a connection: writes HEADERS and DATA, and shares the connection's window and the socket among
// the streams that have DATA waiting. Used by stream.ts for its own frames and by connection.ts for control frames.
//
// Guarantees: no window is ever exceeded; per stream HEADERS, then DATA, then trailers; a header block is written in
// one run; streams that wait take turns of one frame. Hot: runs once per frame.

import type { ErrorCode } from "./error-code.ts";
import { overflows, sendable } from "./flow-control.ts";
import {
  encodeFrameHeader,
  encodePing,
  encodeRstStream,
  encodeWindowUpdate,
  Flag,
  FrameType,
  frameHeaderBytes,
  maxFrameBytes,
  pingBytes,
  rstStreamBytes,
  typeFlags,
  windowUpdateBytes,
} from "./frames.ts";
import type { HeaderFields } from "./header-field.ts";
import { encodeFields, maxEncodedBytes, sizeUpdateToZero } from "./hpack/encoder.ts";
import type { Output } from "./output.ts";
import type { SendQueue } from "./send-queue.ts";
import { defaultWindowBytes } from "./settings.ts";

/** What the sender needs of a stream, and keeps in it. */
export interface SendingStream {
  readonly id: number;
  /** What the peer lets us send; may be negative. */
  sendWindow: number;
  /** DATA that waits; undefined until any had to. */
  queue: SendQueue | undefined;
  /** The next stream in the sender's line, and whether it stands there. */
  nextReady: SendingStream | undefined;
  isReady: boolean;
  /** END_STREAM goes with the queue's last octet. */
  endsWithQueue: boolean;
  /** `bytes` of the queue were sent, and END_STREAM if that was due with them. */
  queueSent(bytes: number): void;
}

export class Sender {
  readonly output: Output;
  /** The connection's window: what the peer lets us send on all streams together. */
  connectionWindow = defaultWindowBytes;
  /** The next header block must say that our table is empty. */
  owesSizeUpdate = false;
  /** HEADERS and DATA frames ever sent. */
  messageFrames = 0;
  readonly #wake: () => void;
  #firstReady: SendingStream | undefined = undefined;
  #lastReady: SendingStream | undefined = undefined;

  /** `wake` is called when something was written, so that it gets flushed. */
  constructor(output: Output, wake: () => void) {
    this.output = output;
    this.#wake = wake;
  }

  headers(id: number, fields: HeaderFields, end: boolean): void {
    this.messageFrames++;
    const bound = maxEncodedBytes(fields);
    const endFlag = end ? Flag.END_STREAM : 0;
    if (bound > maxFrameBytes) {
      this.#longHeaders(id, fields, endFlag, bound);
      return;
    }
    const output = this.output;
    output.reserve(frameHeaderBytes + bound);
    const start = output.offset;
    const stop = this.#encode(fields, output.slab, start + frameHeaderBytes);
    const type = typeFlags(FrameType.HEADERS, endFlag | Flag.END_HEADERS);
    encodeFrameHeader(output.slab, start, stop - start - frameHeaderBytes, type, id);
    output.commit(stop);
    this.#wake();
  }

  /** Writes as much of `chunk` as may go now as DATA, and returns how much; END_STREAM with the last octet if `end`. */
  data(stream: SendingStream, chunk: Buffer, end: boolean): number {
    const length = chunk.length;
    // Whoever waits in line goes first.
    if (length > 0 && (this.output.isCongested || this.#firstReady !== undefined)) return 0;
    let sent = 0;
    do {
      const bytes = sendable(length - sent, stream.sendWindow, this.connectionWindow, maxFrameBytes);
      if (bytes <= 0 && length > 0) break;
      const piece = bytes === length ? chunk : chunk.subarray(sent, sent + bytes);
      sent += bytes;
      this.#dataFrame(stream, piece, end && sent === length);
    } while (sent < length && !this.output.isCongested);
    return sent;
  }

  /** Puts a stream with a queue and a window in line; at the end of the turn it is sent what may be sent. */
  ready(stream: SendingStream): void {
    if (stream.isReady) return;
    stream.isReady = true;
    stream.nextReady = undefined;
    if (this.#lastReady === undefined) this.#firstReady = stream;
    else this.#lastReady.nextReady = stream;
    this.#lastReady = stream;
    this.#wake();
  }

  /** Sends queued DATA, a frame a stream in turn, until a window or the socket is full. */
  sendQueued(): void {
    while (this.#firstReady !== undefined && this.connectionWindow > 0 && !this.output.isCongested) {
      const stream = this.#firstReady;
      this.#firstReady = stream.nextReady;
      if (this.#firstReady === undefined) this.#lastReady = undefined;
      stream.nextReady = undefined;
      stream.isReady = false;
      const queue = stream.queue;
      if (queue === undefined || queue.length === 0) continue;
      const bytes = sendable(queue.length, stream.sendWindow, this.connectionWindow, maxFrameBytes);
      if (bytes <= 0) continue;
      const piece = queue.peek(bytes);
      const sent = piece.length;
      this.#dataFrame(stream, piece, stream.endsWithQueue && sent === queue.length);
      queue.drop(sent);
      if (queue.length > 0 && stream.sendWindow > 0) this.ready(stream);
      stream.queueSent(sent);
    }
  }

  /** DATA is waiting for the connection's window or the socket. */
  get hasReady(): boolean {
    return this.#firstReady !== undefined;
  }

  /** An empty DATA frame with END_STREAM, which no window holds back. */
  endOfStream(id: number): void {
    this.output.reserve(frameHeaderBytes);
    const { slab, offset } = this.output;
    this.output.commit(encodeFrameHeader(slab, offset, 0, typeFlags(FrameType.DATA, Flag.END_STREAM), id));
    this.#wake();
  }

  rstStream(id: number, code: ErrorCode): void {
    this.output.reserve(rstStreamBytes);
    this.output.commit(encodeRstStream(this.output.slab, this.output.offset, id, code));
    this.#wake();
  }

  windowUpdate(id: number, increment: number): void {
    this.output.reserve(windowUpdateBytes);
    this.output.commit(encodeWindowUpdate(this.output.slab, this.output.offset, id, increment));
    this.#wake();
  }

  /** PING with the 8 octets at `from` of `payload`. */
  ping(ack: boolean, payload: Buffer, from: number): void {
    this.output.reserve(pingBytes);
    this.output.commit(encodePing(this.output.slab, this.output.offset, ack, payload, from));
    this.#wake();
  }

  /** A whole frame, ready made. */
  frame(frame: Buffer): void {
    this.output.reserve(frame.length);
    this.output.slab.set(frame, this.output.offset);
    this.output.commit(this.output.offset + frame.length);
    this.#wake();
  }

  /** WINDOW_UPDATE for the connection came. False: the window overflows. */
  grantConnection(increment: number): boolean {
    if (overflows(this.connectionWindow, increment)) return false;
    this.connectionWindow += increment;
    if (this.#firstReady !== undefined) this.#wake();
    return true;
  }

  #dataFrame(stream: SendingStream, piece: Buffer, end: boolean): void {
    const bytes = piece.length;
    const output = this.output;
    output.reserve(frameHeaderBytes + bytes);
    const type = typeFlags(FrameType.DATA, end ? Flag.END_STREAM : 0);
    const at = encodeFrameHeader(output.slab, output.offset, bytes, type, stream.id);
    if (bytes > 0) output.slab.set(piece, at);
    output.commit(at + bytes);
    this.messageFrames++;
    stream.sendWindow -= bytes;
    this.connectionWindow -= bytes;
    this.#wake();
  }

  #encode(fields: HeaderFields, out: Buffer, offset: number): number {
    if (this.owesSizeUpdate) {
      this.owesSizeUpdate = false;
      out[offset++] = sizeUpdateToZero;
    }
    return encodeFields(fields, out, offset);
  }

  /** A block that may not fit one frame: HEADERS and CONTINUATION frames in one run. */
  #longHeaders(id: number, fields: HeaderFields, endFlag: number, bound: number): void {
    const block = Buffer.allocUnsafe(bound);
    const length = this.#encode(fields, block, 0);
    let from = 0;
    do {
      const stop = Math.min(length, from + maxFrameBytes);
      const flags = (from === 0 ? endFlag : 0) | (stop === length ? Flag.END_HEADERS : 0);
      const type = typeFlags(from === 0 ? FrameType.HEADERS : FrameType.CONTINUATION, flags);
      this.output.reserve(frameHeaderBytes + stop - from);
      const at = encodeFrameHeader(this.output.slab, this.output.offset, stop - from, type, id);
      block.copy(this.output.slab, at, from, stop);
      this.output.commit(at + stop - from);
      from = stop;
    } while (from < length);
    this.#wake();
  }
}
