// The other end of flow-model.ts: keeps the books of both directions exactly as RFC 9113 section 6.9 says and throws at
// the first octet that is not covered: beyond a window, after the end, or on a stream that it does not belong to.

import { Flag, FrameType, loadUint24, loadUint31, loadUint32 } from "../frames.ts";
import { frame, settingsAck, settingsFrame, uint32 } from "./frame-peer.ts";

/** Every octet of a stream's content, in both directions. */
export function tagOf(id: number): number {
  return (id * 31 + (id >>> 8)) & 0xff;
}

export class PeerStream {
  readonly id: number;
  /** What this peer may send, and what ours may. */
  sendCredit: number;
  receiveCredit: number;
  hasSentHead: boolean;
  hasSentEnd = false;
  hasReceivedEnd = false;
  received = 0;

  constructor(id: number, sendCredit: number, receiveCredit: number, hasSentHead: boolean) {
    this.id = id;
    this.sendCredit = sendCredit;
    this.receiveCredit = receiveCredit;
    this.hasSentHead = hasSentHead;
  }
}

export class StrictPeer {
  readonly streams = new Map<number, PeerStream>();
  /** What this peer may send, and what ours may, on the connection. */
  sendCredit = 65_535;
  receiveCredit = 65_535;
  /** What ours gives at most on the connection. */
  readonly maxSend: number;
  /** A new stream's. */
  initialSend = 65_535;
  initialReceive = 65_535;
  /** Told when ours ended a stream in order, with the octets that it sent on it. */
  onEnd: (id: number, received: number) => void = () => {};
  readonly #isServer: boolean;
  readonly #send: (octets: Buffer) => void;
  readonly #unacknowledged: number[] = [];
  readonly #reset = new Set<number>();
  #lastId = 0;
  #input: Buffer = Buffer.alloc(0);

  constructor(isServer: boolean, maxSend: number, send: (octets: Buffer) => void) {
    this.#isServer = isServer;
    this.maxSend = maxSend;
    this.#send = send;
  }

  open(id: number): PeerStream {
    const stream = new PeerStream(id, this.initialSend, this.initialReceive, !this.#isServer);
    this.streams.set(id, stream);
    return stream;
  }

  /** DATA of `bytes`, fewer if a window does not allow it, after `padding` (-1: not padded) was taken off. */
  sendData(stream: PeerStream, bytes: number, padding: number): void {
    const overhead = padding < 0 ? 0 : 1 + padding;
    const room = Math.min(stream.sendCredit, this.sendCredit, 16_384) - overhead;
    if (room < 0) return;
    const content = Buffer.alloc(Math.min(bytes, room), tagOf(stream.id));
    const flow = content.length + overhead;
    stream.sendCredit -= flow;
    this.sendCredit -= flow;
    if (padding < 0) this.#send(frame("DATA", 0, stream.id, content));
    else
      this.#send(frame("DATA", Flag.PADDED, stream.id, Buffer.concat([Buffer.of(padding), content, zeros(padding)])));
  }

  sendEnd(stream: PeerStream): void {
    stream.hasSentEnd = true;
    this.#send(frame("DATA", Flag.END_STREAM, stream.id));
    if (stream.hasReceivedEnd) this.streams.delete(stream.id);
  }

  reset(stream: PeerStream): void {
    this.streams.delete(stream.id);
    this.#reset.add(stream.id);
    this.#send(frame("RST_STREAM", 0, stream.id, uint32(8)));
  }

  grant(stream: PeerStream | undefined, bytes: number): void {
    if (stream === undefined) this.receiveCredit += bytes;
    else stream.receiveCredit += bytes;
    this.#send(frame("WINDOW_UPDATE", 0, stream?.id ?? 0, uint32(bytes)));
  }

  /** INITIAL_WINDOW_SIZE; holds for what ours sends behind its acknowledgement. */
  setWindow(bytes: number): void {
    this.#unacknowledged.push(bytes);
    this.#send(settingsFrame([[4, bytes]]));
  }

  /** What ours wrote. */
  read(octets: Buffer): void {
    this.#input = this.#input.length === 0 ? octets : Buffer.concat([this.#input, octets]);
    let at = 0;
    while (this.#input.length - at >= 9) {
      const length = loadUint24(this.#input, at);
      if (this.#input.length - at < 9 + length) break;
      this.#frame(this.#input.subarray(at, at + 9 + length));
      at += 9 + length;
    }
    this.#input = this.#input.subarray(at);
  }

  #frame(bytes: Buffer): void {
    const flags = bytes[4]!;
    const id = loadUint31(bytes, 5);
    const payload = bytes.subarray(9);
    const isEnd = (flags & Flag.END_STREAM) !== 0;
    switch (bytes[3]) {
      case FrameType.DATA:
        this.#data(id, payload, isEnd);
        return;
      case FrameType.HEADERS:
        // Trailers may have been on their way when we reset the stream.
        if (this.#reset.has(id)) return;
        if (this.#isServer && !this.streams.has(id)) this.#opened(id);
        if (isEnd) this.#ended(id);
        return;
      case FrameType.RST_STREAM:
        this.streams.delete(id);
        return;
      case FrameType.WINDOW_UPDATE:
        this.#granted(id, loadUint31(payload, 0));
        return;
      case FrameType.SETTINGS:
        this.#settings(payload, flags);
        return;
      case FrameType.PING:
        if ((flags & Flag.ACK) === 0) this.#send(frame("PING", Flag.ACK, 0, Buffer.from(payload)));
        return;
      case FrameType.GOAWAY:
        throw new Error(`GOAWAY(${loadUint32(payload, 4)}): ${payload.toString("latin1", 8)}`);
    }
  }

  /** Ours opened a stream. */
  #opened(id: number): void {
    if (id % 2 !== 1 || id <= this.#lastId) throw new Error(`stream ${id} behind stream ${this.#lastId}`);
    this.#lastId = id;
    this.open(id);
  }

  #granted(id: number, bytes: number): void {
    if (id === 0) {
      this.sendCredit += bytes;
      if (this.sendCredit > this.maxSend) throw new Error(`${this.sendCredit} octets of credit on the connection`);
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.sendCredit += bytes;
    if (stream.sendCredit > this.initialSend) throw new Error(`stream ${id}: ${stream.sendCredit} octets of credit`);
  }

  #data(id: number, payload: Buffer, isEnd: boolean): void {
    this.receiveCredit -= payload.length;
    if (payload.length > 0 && this.receiveCredit < 0) throw new Error("DATA beyond the connection's window");
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (stream.hasReceivedEnd) throw new Error(`stream ${id}: DATA after END_STREAM`);
    stream.receiveCredit -= payload.length;
    if (payload.length > 0 && stream.receiveCredit < 0) throw new Error(`stream ${id}: DATA beyond its window`);
    const tag = tagOf(id);
    for (const octet of payload) if (octet !== tag) throw new Error(`stream ${id}: octet ${octet} of another stream`);
    stream.received += payload.length;
    if (isEnd) this.#ended(id);
  }

  #ended(id: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.hasReceivedEnd = true;
    this.onEnd(id, stream.received);
    if (stream.hasSentEnd) this.streams.delete(id);
  }

  #settings(payload: Buffer, flags: number): void {
    if ((flags & Flag.ACK) === 0) {
      for (let at = 0; at < payload.length; at += 6) {
        if (payload.readUInt16BE(at) === 4) this.initialSend = loadUint32(payload, at + 2);
      }
      this.#send(settingsAck);
      return;
    }
    const bytes = this.#unacknowledged.shift();
    if (bytes === undefined) return;
    for (const stream of this.streams.values()) stream.receiveCredit += bytes - this.initialReceive;
    this.initialReceive = bytes;
  }
}

const zeros = (bytes: number) => Buffer.alloc(bytes);
