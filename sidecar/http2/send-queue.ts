// The octets of one stream that cannot go on yet: a FIFO of slabs. Small chunks are packed together, so that what it
// costs is bounded by octets, never by the number of frames they came in (GHSA-q83h-524g-xf6h). Used for what waits
// for a window (sending side), for what arrived before its sink was attached (receiving side), and by the layers for
// what they may have to send again.
//
//   slabs:  [ ....####### ] [ ############# ] [ #####........ ]
//                 ^read                            ^write

import type { Holding } from "./buffered-bytes.ts";

const firstSlabBytes = 2048;
const slabBytes = 16_384;
/**
 * Small slabs that nobody uses now, for all queues: a unary request's message waits in one for less than a turn, and
 * memory outside of V8's heap is dear to make and to collect.
 */
const spareSlabs: Buffer[] = [];
const maxSpareSlabs = 512;

export class SendQueue {
  length = 0;
  #slabs: Buffer[] = [];
  #read = 0;
  #write = 0;
  readonly #holding: Holding | undefined;

  /** `holding`: where its slabs are counted. */
  constructor(holding?: Holding) {
    this.#holding = holding;
  }

  /** Copies `chunk[from..]` to the end. */
  append(chunk: Buffer, from = 0): void {
    const end = chunk.length;
    this.length += end - from;
    while (from < end) {
      let slab = this.#slabs[this.#slabs.length - 1];
      if (slab === undefined || this.#write === slab.length) {
        const isSmall = slab === undefined && end - from <= firstSlabBytes;
        slab = isSmall
          ? (spareSlabs.pop() ?? Buffer.allocUnsafeSlow(firstSlabBytes))
          : Buffer.allocUnsafeSlow(slabBytes);
        this.#slabs.push(slab);
        this.#holding?.add(slab.length);
        this.#write = 0;
      }
      const copied = chunk.copy(slab, this.#write, from, end);
      this.#write += copied;
      from += copied;
    }
  }

  /** The first octets in one piece, at most `max` of them; valid until the next call. Empty when the queue is. */
  peek(max: number): Buffer {
    const slab = this.#slabs[0];
    if (slab === undefined) return nothing;
    const end = this.#slabs.length === 1 ? this.#write : slab.length;
    return slab.subarray(this.#read, end - this.#read > max ? this.#read + max : end);
  }

  /** All of it, in order; valid until the queue changes. */
  pieces(): Buffer[] {
    const last = this.#slabs.length - 1;
    return this.#slabs.map((slab, i) =>
      slab.subarray(i === 0 ? this.#read : 0, i === last ? this.#write : slab.length),
    );
  }

  /** Drops `bytes` that `peek` showed. */
  drop(bytes: number): void {
    this.length -= bytes;
    this.#read += bytes;
    if (this.length === 0) {
      this.clear();
    } else if (this.#read === this.#slabs[0]!.length) {
      this.#giveUp(this.#slabs.shift()!);
      this.#read = 0;
    }
  }

  clear(): void {
    this.length = 0;
    for (let i = 0; i < this.#slabs.length; i++) this.#giveUp(this.#slabs[i]!);
    this.#slabs.length = 0;
    this.#read = 0;
    this.#write = 0;
  }

  #giveUp(slab: Buffer): void {
    this.#holding?.add(-slab.length);
    if (slab.length === firstSlabBytes && spareSlabs.length < maxSpareSlabs) spareSlabs.push(slab);
  }
}

const nothing = Buffer.alloc(0);
