// Literals that come again and again: a peer that does not index (our own encoder, many servers' status and
// content-type) writes the same octets for every message. Whoever sends them, the same octets make the same field, so
// they are decoded, checked and encoded once for all connections. Used by decoder.ts for literals that refer to no
// dynamic table.
//
// Guarantees: found only by all octets; what is held is bounded; values that come once are not kept, nor those of the
// fields that hold secrets, nor what a peer marked never-indexed (decoder.ts does not ask). Hot: runs once per literal.

import type { HeaderField } from "../header-field.ts";

/** A longer literal is decoded every time. */
export const maxCachedLiteralBytes = 128;

const slots = 512;

interface Known {
  readonly literal: Buffer;
  readonly field: HeaderField;
}

/** Whether another client's request was seen lately is nobody's business (RFC 7541 section 7.1). */
const secrets: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization", "set-cookie"]);

export class LiteralCache {
  /** False: nothing is ever found. For tests, which run with and without. */
  isOn = true;
  readonly #known = new Array<Known | undefined>(slots).fill(undefined);
  /** By slot: the hash of the literal that was last looked for in vain. Only what is missed twice in a row is kept. */
  readonly #missed = new Int32Array(slots);

  /** The field that `block[start..end)` is, as was found when it was decoded before. */
  find(block: Buffer, start: number, end: number): HeaderField | undefined {
    const known = this.#known[hashOf(block, start, end) & (slots - 1)];
    if (known === undefined || !this.isOn) return undefined;
    const { literal } = known;
    if (literal.length !== end - start) return undefined;
    for (let i = 0; i < literal.length; i++) if (literal[i] !== block[start + i]) return undefined;
    return known.field;
  }

  /** After `find` found nothing: what the literal is. */
  offer(block: Buffer, start: number, end: number, field: HeaderField): void {
    const hash = hashOf(block, start, end);
    const slot = hash & (slots - 1);
    if (this.#missed[slot] !== hash) {
      this.#missed[slot] = hash;
      return;
    }
    if (secrets.has(field.name)) return;
    this.#known[slot] = { literal: Buffer.from(block.subarray(start, end)), field };
  }
}

/** Of the length, the first octets and the last: names differ at the front, values at the back. Never 0. */
function hashOf(block: Buffer, start: number, end: number): number {
  let hash = end - start;
  const front = Math.min(end, start + 6);
  for (let i = start; i < front; i++) hash = (Math.imul(hash, 31) + block[i]!) | 0;
  const middle = (start + end) >> 1;
  for (let i = Math.max(front, middle - 2); i < middle + 2; i++) hash = (Math.imul(hash, 31) + block[i]!) | 0;
  for (let i = Math.max(middle + 2, end - 8); i < end; i++) hash = (Math.imul(hash, 31) + block[i]!) | 0;
  hash ^= hash >>> 15;
  return hash === 0 ? 1 : hash;
}
