// Reads what a connection of ours writes as a strict peer would: whole frames of known types within the sizes, header
// blocks in one run and decodable, each stream in order and silent after its end. Gives the first breach.

import { clientPreface, Flag, FrameType, loadUint24, loadUint31 } from "../../frames.ts";
import { HpackDecoder } from "../../hpack/decoder.ts";

export class OutputCheck {
  problem: string | undefined = undefined;
  /** Of GOAWAY, the last; -1: none was sent. */
  goawayCode = -1;
  readonly #decoder = new HpackDecoder({ maxHeaderListBytes: 1 << 24, maxFields: 1 << 20 });
  /** Octets of DATA by stream; 0: all. */
  readonly sentBytes: Map<number, number> = new Map();
  readonly #ended = new Set<number>();
  readonly #reset = new Set<number>();
  readonly #isServer: boolean;
  #input: Buffer = Buffer.alloc(0);
  #prefaceLeft: number;
  #isFirst = true;
  #blockId = 0;
  #block: Buffer[] = [];

  constructor(isServer: boolean) {
    this.#isServer = isServer;
    this.#prefaceLeft = isServer ? 0 : clientPreface.length;
  }

  read(chunk: Buffer): void {
    let input = Buffer.concat([this.#input, chunk]);
    const skipped = Math.min(this.#prefaceLeft, input.length);
    this.#prefaceLeft -= skipped;
    input = input.subarray(skipped);
    while (input.length >= 9) {
      const length = loadUint24(input, 0);
      if (length > 16_384) this.#fail(`a frame of ${length} octets`);
      if (input.length < 9 + length) break;
      this.#frame(input.subarray(0, 9 + length));
      input = input.subarray(9 + length);
    }
    this.#input = Buffer.from(input);
  }

  /** Everything was written: nothing may be left over. */
  finish(): void {
    if (this.#input.length > 0) this.#fail(`half a frame at the end, ${this.#input.length} octets`);
    if (this.#blockId !== 0) this.#fail("a header block without its end");
  }

  #fail(problem: string): void {
    this.problem ??= `wrote ${problem}`;
  }

  #frame(octets: Buffer): void {
    const type = octets[3]!;
    const flags = octets[4]!;
    const id = loadUint31(octets, 5);
    const payload = octets.subarray(9);
    if (this.#isFirst && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0))
      this.#fail(`frame type ${type} first`);
    this.#isFirst = false;
    if (this.#blockId !== 0 && (type !== FrameType.CONTINUATION || id !== this.#blockId))
      this.#fail("a frame inside a block");
    switch (type) {
      case FrameType.HEADERS:
      case FrameType.CONTINUATION:
        this.#onStream(id, type);
        this.#block.push(payload);
        this.#blockId = id;
        if ((flags & Flag.END_HEADERS) !== 0) this.#endBlock();
        if (type === FrameType.HEADERS && (flags & Flag.END_STREAM) !== 0) this.#ended.add(id);
        return;
      case FrameType.DATA:
        this.#onStream(id, type);
        for (const on of [0, id]) this.sentBytes.set(on, (this.sentBytes.get(on) ?? 0) + payload.length);
        if ((flags & Flag.END_STREAM) !== 0) this.#ended.add(id);
        return;
      case FrameType.RST_STREAM:
        if (id === 0 || payload.length !== 4) this.#fail("a broken RST_STREAM");
        if (this.#reset.has(id)) this.#fail(`RST_STREAM twice on stream ${id}`);
        this.#reset.add(id);
        return;
      case FrameType.WINDOW_UPDATE:
        if (payload.length !== 4 || loadUint31(payload, 0) === 0) this.#fail("a broken WINDOW_UPDATE");
        return;
      case FrameType.SETTINGS:
        if (id !== 0 || payload.length % 6 !== 0) this.#fail("broken SETTINGS");
        return;
      case FrameType.PING:
        if (id !== 0 || payload.length !== 8) this.#fail("a broken PING");
        return;
      case FrameType.GOAWAY:
        if (id !== 0 || payload.length < 8) this.#fail("a broken GOAWAY");
        this.goawayCode = payload.readUInt32BE(4);
        return;
      default:
        this.#fail(`a frame of type ${type}`);
    }
  }

  #onStream(id: number, type: number): void {
    if (id === 0) this.#fail(`frame type ${type} on stream 0`);
    if (id % 2 === 0 && !this.#isServer) this.#fail(`frame type ${type} on stream ${id}`);
    if (this.#reset.has(id)) this.#fail(`frame type ${type} on stream ${id} after its RST_STREAM`);
    if (this.#ended.has(id) && type !== FrameType.CONTINUATION)
      this.#fail(`frame type ${type} on stream ${id} after its end`);
  }

  #endBlock(): void {
    const block = Buffer.concat(this.#block);
    this.#block = [];
    this.#blockId = 0;
    try {
      const fields = this.#decoder.decode(block, 0, block.length);
      for (const { name, value } of fields) {
        if (/[^\x21-\x7e]|[A-Z]/.test(name) || /[\0\r\n]/.test(value))
          this.#fail(`the field ${JSON.stringify([name, value])}`);
      }
    } catch (error) {
      this.#fail(`a header block that cannot be decoded: ${String(error)}`);
    }
  }
}
