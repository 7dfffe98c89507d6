// HPACK's static table (RFC 7541 appendix A), as shared HeaderField objects: every reference to an entry, on every
// connection, is the same object. Used by decoder.ts for indexes and by encoder.ts to find names and exact matches.

import { HeaderField } from "../header-field.ts";

export const staticTableSize = 61;

const rows: readonly (readonly [string, string])[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** Index 1..61; index 0 is not used by HPACK and holds an empty field. */
export const staticTable: readonly HeaderField[] = [
  new HeaderField("", ""),
  ...rows.map(([name, value]) => new HeaderField(name, value)),
];

/** The lowest index that has this name; absent when none has. */
export const staticNameIndex: ReadonlyMap<string, number> = new Map(
  rows.map(([name], i): [string, number] => [name, i + 1]).reverse(),
);

/** The index of an entry with this name and value, or 0. */
export function staticExactIndex(name: string, value: string): number {
  const first = staticNameIndex.get(name);
  if (first === undefined) return 0;
  for (let i = first; i <= staticTableSize; i++) {
    const entry = staticTable[i]!;
    if (entry.name !== name) return 0;
    if (entry.value === value) return i;
  }
  return 0;
}

for (let i = 1; i <= staticTableSize; i++) staticTable[i]!.encoded = Buffer.of(0x80 | i);
