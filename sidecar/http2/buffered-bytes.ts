// All octets that the process holds for peers that are not ready for them, counted by connection: queues of streams and
// what waits in sockets. Above the cap the connection with the most is told to let go, the largest first, until there
// is room again. Windows bound a stream and a connection; this bounds their number.
//
// One per process: `processBuffers`, or the data plane's own where the cap is set; tests bring theirs. Counted by slab
// and by write, not by frame. Shedding happens between turns, never inside a read, so the cap may be passed by what one
// turn reads.

import { defaultLimits } from "./limits.ts";

/** Whose octets they are. */
export interface BufferOwner {
  /** Octets began to wait. */
  held(): void;
  /** Gets rid of `bytes` or more, if it holds as many. */
  shed(bytes: number): void;
}

/** Below this share of the cap shedding stops. */
const restShare = 0.875;

export class BufferedBytes {
  readonly maxBytes: number;
  total = 0;
  readonly #holdings = new Set<Holding>();
  #isShedding = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** There is no room for more work. */
  get isFull(): boolean {
    return this.total > this.maxBytes;
  }

  /** Half of it is used: time to be careful. */
  get isTight(): boolean {
    return this.total > this.maxBytes / 2;
  }

  open(owner: BufferOwner): Holding {
    return new Holding(this, owner);
  }

  /** For Holding: `bytes` more, or fewer when negative. */
  count(holding: Holding, bytes: number): void {
    const before = holding.bytes;
    holding.bytes = before + bytes;
    this.total += bytes;
    if (before === 0 && bytes > 0) {
      this.#holdings.add(holding);
      holding.owner.held();
    } else if (holding.bytes === 0) {
      this.#holdings.delete(holding);
    }
    if (this.total > this.maxBytes && !this.#isShedding) {
      this.#isShedding = true;
      setImmediate(() => this.#shed());
    }
  }

  #shed(): void {
    this.#isShedding = false;
    const goal = this.maxBytes * restShare;
    if (this.total <= this.maxBytes) return;
    const largestFirst = [...this.#holdings].sort((a, b) => b.bytes - a.bytes);
    for (const holding of largestFirst) {
      if (this.total <= goal) return;
      holding.owner.shed(this.total - goal);
    }
  }
}

/** What one connection holds. */
export class Holding {
  bytes = 0;
  readonly owner: BufferOwner;
  readonly #all: BufferedBytes;
  #isClosed = false;

  constructor(all: BufferedBytes, owner: BufferOwner) {
    this.#all = all;
    this.owner = owner;
  }

  get isFull(): boolean {
    return this.#all.isFull;
  }

  get isTight(): boolean {
    return this.#all.isTight;
  }

  /** `bytes` more, or fewer when negative. */
  add(bytes: number): void {
    if (bytes !== 0 && !this.#isClosed) this.#all.count(this, bytes);
  }

  /** The connection is gone, and all that it held. */
  close(): void {
    this.add(-this.bytes);
    this.#isClosed = true;
  }
}

export const processBuffers: BufferedBytes = new BufferedBytes(defaultLimits.maxBufferedBytes);
