// Randomness as a parameter: whoever decides by chance takes a Random, so that a test can seed it.

import { randomFillSync } from "node:crypto";

/** A number in [0, 1). */
export type Random = () => number;

export const systemRandom: Random = Math.random;

/** The same sequence for the same seed (mulberry32); for tests and simulations, never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// One system call for 512 ids: asking the kernel for 8 or 16 bytes at a time costs more than everything else in an id.
const pool = Buffer.allocUnsafe(8192);
let used = pool.length;

/** `bytes` random octets (at most 32) as lower-case hex; for trace, span and request ids. */
export function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString("hex", used - bytes, used);
}
