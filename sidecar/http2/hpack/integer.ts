// HPACK's integers on the sending side (RFC 7541 section 5.1): a prefix of some bits, then groups of seven. Reading
// them is part of decoder.ts, which keeps the position.

/** The most octets an integer takes that this encoder writes (32 bits after any prefix). */
export const maxIntegerBytes = 6;

/** Writes `value` with an N-bit prefix; `pattern` holds the bits above the prefix. Returns the offset behind it. */
export function writeInteger(out: Buffer, offset: number, value: number, prefix: { bits: number; pattern: number }) {
  const max = (1 << prefix.bits) - 1;
  if (value < max) {
    out[offset] = prefix.pattern | value;
    return offset + 1;
  }
  out[offset++] = prefix.pattern | max;
  let rest = value - max;
  while (rest >= 128) {
    out[offset++] = 0x80 | (rest & 0x7f);
    rest >>>= 7;
  }
  out[offset++] = rest;
  return offset;
}
