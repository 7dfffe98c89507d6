// A 32-bit hash of a string that is the same in every process and every version: what is sticky must be sticky across
// sidecars. Not for secrets, nor against those who choose the strings to collide. (FNV-1a over UTF-16 code units, then
// the finaliser of MurmurHash3, since FNV's own high bits hardly vary)

/**
 * An unsigned 32-bit integer. Who hashes the same string for two purposes passes a different `seed` for each, or the
 * two choices would hang together: a tenth of the users would then sit on a tenth of the endpoints.
 */
export function stringHash(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixBits(hash ^ text.length);
}

/** Spreads an integer over all 32 bits; different integers give different results. */
export function mixBits(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
