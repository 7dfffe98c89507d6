// Bytes to frames: finds the frames in what the socket delivers and tells the listener, checking what can be checked
// without knowing streams (RFC 9113 sections 4 and 6). Whole frames are read in place; a frame that is cut off by the
// end of a read is carried over, except DATA, whose parts are passed on as they come.
//
// Guarantees: what is held is bounded by one frame and one header block (limits.ts); HEADERS with its CONTINUATIONs
// reaches the listener as one block; every error is a ConnectionError. Hot: runs once per frame.

import { ConnectionError, ErrorCode } from "./error-code.ts";
import { Flag, FrameType, frameHeaderBytes, loadUint24, loadUint31, loadUint32, maxFrameBytes } from "./frames.ts";
import { ForcedClose, type Limits } from "./limits.ts";

/** `input[start..end)` is valid only during the call. */
export interface FrameListener {
  /** A DATA frame begins: `flowBytes` of it count for flow control, padding included. Then come its parts. */
  dataBegins(id: number, flowBytes: number, paddingBytes: number): void;
  /** Part of a DATA frame's payload; `end` with END_STREAM, on the last part. */
  data(id: number, input: Buffer, start: number, stop: number, end: boolean): void;
  headers(id: number, input: Buffer, start: number, stop: number, end: boolean): void;
  rstStream(id: number, code: number): void;
  settings(input: Buffer, start: number, stop: number): void;
  settingsAck(): void;
  ping(input: Buffer, start: number, ack: boolean): void;
  goaway(input: Buffer, start: number, stop: number): void;
  windowUpdate(id: number, increment: number): void;
  /** PRIORITY and unknown types: nothing to do but to count them. */
  ignored(id: number): void;
}

export class FrameReader {
  readonly #listener: FrameListener;
  readonly #limits: Limits;
  // The beginning of a frame that is not complete: its header, then its payload.
  #carry: Buffer = noBytes;
  #carried = 0;
  // The DATA frame whose payload is passing.
  #dataLeft = 0;
  #dataPadding = 0;
  #dataId = 0;
  #dataEnds = false;
  // The header block that CONTINUATION frames complete. Id 0: none.
  #blockId = 0;
  #blockEnds = false;
  #block: Buffer = noBytes;
  #blockBytes = 0;
  #continuations = 0;
  #isFirst = true;
  #mustStop = false;
  /** Frames and header blocks completed; which one is under way, for whoever watches the time. */
  unit = 0;

  constructor(listener: FrameListener, limits: Limits) {
    this.#listener = listener;
    this.#limits = limits;
  }

  /** A header block has begun or a frame other than DATA, and has not ended. */
  get isInsideUnit(): boolean {
    return this.#blockId !== 0 || this.#carried > 0;
  }

  /** Called by the listener: `read` returns behind the frame that is being told. */
  stop(): void {
    this.#mustStop = true;
  }

  /**
   * Reads `chunk[from..]`. Returns the offset behind what it read: the end, unless it was stopped. Throws
   * ConnectionError; afterwards the reader must not be used.
   */
  read(chunk: Buffer, from: number): number {
    const end = chunk.length;
    let at = from;
    this.#mustStop = false;
    while (at < end && !this.#mustStop) {
      if (this.#dataLeft > 0 || this.#dataPadding > 0) {
        at = this.#passData(chunk, at, end);
        continue;
      }
      if (this.#carried > 0) {
        at = this.#completeCarried(chunk, at, end);
        continue;
      }
      if (end - at < frameHeaderBytes) {
        this.#carryOver(chunk, at, end);
        return end;
      }
      const length = loadUint24(chunk, at);
      if (length > maxFrameBytes) throw frameSize(`frame of ${length} octets, announced are ${maxFrameBytes}`);
      const payload = at + frameHeaderBytes;
      if (this.#isFirst) this.#checkFirst(chunk, at);
      if (chunk[at + 3] === FrameType.DATA && (end > payload || length === 0)) {
        at = this.#beginData(chunk, at, payload, length);
        continue;
      }
      if (end - payload < length) {
        this.#carryOver(chunk, at, end);
        return end;
      }
      this.#frame(chunk, at, payload, length);
      at = payload + length;
    }
    return at;
  }

  /** The connection preface ends with SETTINGS, on both sides (RFC 9113 section 3.4). */
  #checkFirst(input: Buffer, at: number): void {
    this.#isFirst = false;
    if (input[at + 3] === FrameType.SETTINGS && (input[at + 4]! & Flag.ACK) === 0) return;
    throw protocolError(`first frame is of type ${input[at + 3]}, not SETTINGS`);
  }

  #carryOver(chunk: Buffer, at: number, end: number): void {
    const bytes = end - at;
    const mayGrow = bytes < frameHeaderBytes || chunk[at + 3] === FrameType.DATA;
    this.#growCarry(mayGrow ? frameHeaderBytes : frameHeaderBytes + loadUint24(chunk, at));
    this.#carried += chunk.copy(this.#carry, this.#carried, at, end);
  }

  #growCarry(bytes: number): void {
    if (this.#carry.length >= bytes) return;
    const carry = Buffer.allocUnsafe(bytes);
    this.#carry.copy(carry, 0, 0, this.#carried);
    this.#carry = carry;
  }

  /** Fills the carried frame up from `chunk[at..end)`; returns the offset behind what it took. */
  #completeCarried(chunk: Buffer, at: number, end: number): number {
    if (this.#carried < frameHeaderBytes) {
      const copied = chunk.copy(this.#carry, this.#carried, at, Math.min(end, at + frameHeaderBytes - this.#carried));
      this.#carried += copied;
      at += copied;
      if (this.#carried < frameHeaderBytes) return at;
    }
    const carry = this.#carry;
    const length = loadUint24(carry, 0);
    if (length > maxFrameBytes) throw frameSize(`frame of ${length} octets, announced are ${maxFrameBytes}`);
    if (this.#isFirst) this.#checkFirst(carry, 0);
    const isData = carry[3] === FrameType.DATA;
    // Of a DATA frame only the header and, where there is one, the octet that tells the padding must be together.
    const padded = isData && (carry[4]! & Flag.PADDED) !== 0 && length > 0;
    const needed = isData ? frameHeaderBytes + (padded ? 1 : 0) : frameHeaderBytes + length;
    this.#growCarry(needed);
    const copied = chunk.copy(this.#carry, this.#carried, at, Math.min(end, at + needed - this.#carried));
    this.#carried += copied;
    at += copied;
    if (this.#carried < needed) return at;
    const whole = this.#carry;
    this.#carried = 0;
    this.#carry = noBytes;
    if (isData) {
      this.#beginData(whole, 0, frameHeaderBytes, length);
      return at;
    }
    this.#frame(whole, 0, frameHeaderBytes, length);
    return at;
  }

  /** Reads a DATA frame's header and padding length; returns the offset of the payload. */
  #beginData(input: Buffer, at: number, payload: number, length: number): number {
    const id = loadUint31(input, at + 5);
    const flags = input[at + 4]!;
    if (id === 0) throw protocolError("DATA on stream 0");
    if (this.#blockId !== 0) throw protocolError("DATA inside a header block");
    let dataLength = length;
    let padding = 0;
    if ((flags & Flag.PADDED) !== 0) {
      if (length === 0) throw frameSize("padded DATA without a padding length");
      padding = input[payload]!;
      payload++;
      dataLength = length - 1 - padding;
      if (dataLength < 0) throw protocolError(`DATA: padding ${padding} of a frame of ${length}`);
    }
    this.unit++;
    this.#dataId = id;
    this.#dataEnds = (flags & Flag.END_STREAM) !== 0;
    this.#dataLeft = dataLength;
    this.#dataPadding = padding;
    this.#listener.dataBegins(id, length, length - dataLength);
    if (dataLength === 0) this.#listener.data(id, input, payload, payload, this.#dataEnds);
    return payload;
  }

  #passData(chunk: Buffer, at: number, end: number): number {
    if (this.#dataLeft > 0) {
      const bytes = Math.min(end - at, this.#dataLeft);
      this.#dataLeft -= bytes;
      this.#listener.data(this.#dataId, chunk, at, at + bytes, this.#dataEnds && this.#dataLeft === 0);
      return at + bytes;
    }
    const bytes = Math.min(end - at, this.#dataPadding);
    this.#dataPadding -= bytes;
    return at + bytes;
  }

  /** Dispatches a whole frame other than DATA. */
  #frame(input: Buffer, at: number, payload: number, length: number): void {
    const type = input[at + 3]!;
    const flags = input[at + 4]!;
    const id = loadUint31(input, at + 5);
    const stop = payload + length;
    if (type !== FrameType.CONTINUATION) this.unit++;
    if (this.#blockId !== 0 && (type !== FrameType.CONTINUATION || id !== this.#blockId)) {
      throw protocolError(`frame type ${type} on stream ${id} inside the header block of ${this.#blockId}`);
    }
    switch (type) {
      case FrameType.HEADERS:
        this.#headers(input, payload, stop, flags, id);
        return;
      case FrameType.CONTINUATION:
        if (this.#blockId === 0) throw protocolError(`CONTINUATION on stream ${id} without HEADERS`);
        this.#continuation(input, payload, stop, flags);
        return;
      case FrameType.WINDOW_UPDATE:
        if (length !== 4) throw frameSize(`WINDOW_UPDATE of ${length} octets`);
        this.#listener.windowUpdate(id, loadUint31(input, payload));
        return;
      case FrameType.RST_STREAM:
        if (length !== 4) throw frameSize(`RST_STREAM of ${length} octets`);
        if (id === 0) throw protocolError("RST_STREAM on stream 0");
        this.#listener.rstStream(id, loadUint32(input, payload));
        return;
      case FrameType.SETTINGS:
        if (id !== 0) throw protocolError(`SETTINGS on stream ${id}`);
        if ((flags & Flag.ACK) !== 0) {
          if (length !== 0) throw frameSize(`SETTINGS with ACK of ${length} octets`);
          this.#listener.settingsAck();
          return;
        }
        if (length % 6 !== 0) throw frameSize(`SETTINGS of ${length} octets`);
        this.#listener.settings(input, payload, stop);
        return;
      case FrameType.PING:
        if (id !== 0) throw protocolError(`PING on stream ${id}`);
        if (length !== 8) throw frameSize(`PING of ${length} octets`);
        this.#listener.ping(input, payload, (flags & Flag.ACK) !== 0);
        return;
      case FrameType.GOAWAY:
        if (id !== 0) throw protocolError(`GOAWAY on stream ${id}`);
        if (length < 8) throw frameSize(`GOAWAY of ${length} octets`);
        this.#listener.goaway(input, payload, stop);
        return;
      case FrameType.PUSH_PROMISE:
        throw protocolError("PUSH_PROMISE, which we did not allow");
      case FrameType.PRIORITY:
        if (id === 0) throw protocolError("PRIORITY on stream 0");
        if (length !== 5) throw frameSize(`PRIORITY of ${length} octets`);
        checkDependency(input, payload, id);
        this.#listener.ignored(id);
        return;
      default:
        this.#listener.ignored(id);
    }
  }

  #headers(input: Buffer, start: number, stop: number, flags: number, id: number): void {
    if (id === 0) throw protocolError("HEADERS on stream 0");
    if ((flags & Flag.PADDED) !== 0) {
      if (start === stop) throw frameSize("padded HEADERS without a padding length");
      stop -= input[start]!;
      start++;
    }
    if ((flags & Flag.PRIORITY) !== 0) {
      if (stop - start < 5) throw frameSize("HEADERS too short for its priority");
      checkDependency(input, start, id);
      start += 5;
    }
    if (start > stop) throw protocolError("HEADERS: more padding than payload");
    const end = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.#listener.headers(id, input, start, stop, end);
      return;
    }
    this.#blockId = id;
    this.#blockEnds = end;
    this.#continuations = 0;
    this.#blockBytes = 0;
    this.#appendToBlock(input, start, stop);
  }

  #continuation(input: Buffer, start: number, stop: number, flags: number): void {
    if (++this.#continuations > this.#limits.maxContinuations) {
      throw tooMuch(ForcedClose.CONTINUATION_FLOOD, `more than ${this.#limits.maxContinuations} CONTINUATION frames`);
    }
    this.#appendToBlock(input, start, stop);
    if ((flags & Flag.END_HEADERS) === 0) return;
    const id = this.#blockId;
    const block = this.#block;
    this.#blockId = 0;
    this.#block = noBytes;
    this.#listener.headers(id, block, 0, this.#blockBytes, this.#blockEnds);
  }

  #appendToBlock(input: Buffer, start: number, stop: number): void {
    const bytes = this.#blockBytes + stop - start;
    if (bytes > this.#limits.maxHeaderBlockBytes) {
      throw tooMuch(ForcedClose.HEADER_BLOCK, `header block over ${this.#limits.maxHeaderBlockBytes} octets`);
    }
    if (bytes > this.#block.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#block.length));
      this.#block.copy(grown, 0, 0, this.#blockBytes);
      this.#block = grown;
    }
    input.copy(this.#block, this.#blockBytes, start, stop);
    this.#blockBytes = bytes;
  }
}

const noBytes: Buffer = Buffer.alloc(0);

/** RFC 7540 section 5.3.1; priorities are gone, but a stream that depends on itself only comes from a broken peer. */
function checkDependency(input: Buffer, at: number, id: number): void {
  if (loadUint31(input, at) === id) throw protocolError(`stream ${id} depends on itself`);
}

function protocolError(detail: string): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, detail);
}

function frameSize(detail: string): ConnectionError {
  return new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, detail);
}

function tooMuch(reason: string, detail: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, detail, reason);
}
