// The open streams of a connection, by id: open addressing with linear probing, deletion by shifting back. A Map would
// do the same, but each time it grows or shrinks it leaves behind a table that points to the next one, and once such a
// table is in V8's old space, everything it ever led to survives every scavenge: under load that took a third of all
// time. Hot: get per frame, set and delete per stream.

import type { Stream } from "./stream.ts";

export class StreamTable {
  size = 0;
  /** A power of two, at least twice `size`. Identifiers are odd and rise, so their upper bits are the hash. */
  #slots: (Stream | undefined)[] = emptySlots(16);
  #mask = 15;

  get(id: number): Stream | undefined {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let at = (id >>> 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** `stream.id` must not be in the table. */
  add(stream: Stream): void {
    if (2 * (this.size + 1) > this.#slots.length) this.#grow();
    this.#put(stream);
    this.size++;
  }

  /** False when it was not there. */
  delete(id: number): boolean {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = (id >>> 1) & mask;
    while (slots[hole]?.id !== id) {
      if (slots[hole] === undefined) return false;
      hole = (hole + 1) & mask;
    }
    this.size--;
    // Whoever probed over the hole moves into it, unless its own place lies behind the hole.
    for (let at = (hole + 1) & mask; slots[at] !== undefined; at = (at + 1) & mask) {
      const home = (slots[at]!.id >>> 1) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        slots[hole] = slots[at];
        hole = at;
      }
    }
    slots[hole] = undefined;
    return true;
  }

  /** All streams, as a list of their own: the table may change while it is walked. */
  list(): Stream[] {
    return this.#slots.filter((stream) => stream !== undefined);
  }

  clear(): void {
    this.size = 0;
    this.#slots = emptySlots(16);
    this.#mask = 15;
  }

  #put(stream: Stream): void {
    let at = (stream.id >>> 1) & this.#mask;
    while (this.#slots[at] !== undefined) at = (at + 1) & this.#mask;
    this.#slots[at] = stream;
  }

  #grow(): void {
    const streams = this.list();
    this.#slots = emptySlots(2 * this.#slots.length);
    this.#mask = this.#slots.length - 1;
    for (const stream of streams) this.#put(stream);
  }
}

function emptySlots(count: number): (Stream | undefined)[] {
  return new Array<Stream | undefined>(count).fill(undefined);
}
