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

// One system call and one conversion for 512 ids: asking the kernel for 8 or 16 bytes at a time costs more than
// everything else in an id, and a part of a long string is a pointer into it.
const pool = Buffer.allocUnsafe(8192);
let hex = "";
let used = pool.length;

/** `bytes` random octets (at most 32) as lower-case hex; for trace, span and request ids. */
export function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    hex = randomFillSync(pool).toString("hex");
    used = 0;
  }
  used += bytes;
  return hex.slice(2 * (used - bytes), 2 * used);
}
