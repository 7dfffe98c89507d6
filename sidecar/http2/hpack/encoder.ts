// HPACK encoding (RFC 7541) without state: exact static matches as indexes, all else as literals without indexing with
// static names where there are any. It never inserts, so a block may be dropped, repeated or moved to another
// connection, and no client of a shared connection can probe what another one sent (RFC 7541 section 7.1).
//
// Hot: runs for every header block. A field's octets are kept in the field from its second encoding on, so fields from
// HPACK's tables and constants are copied, while a value that is sent once costs no allocation.

import type { HeaderField, HeaderFields } from "../header-field.ts";
import { writeLatin1 } from "../latin1.ts";
import { maxIntegerBytes, writeInteger } from "./integer.ts";
import { staticExactIndex, staticNameIndex } from "./static-table.ts";

/** What goes first in the next block after a peer lowered its table size: our table is empty and stays so. */
export const sizeUpdateToZero = 0x20;

const encodedOnce: Buffer = Buffer.alloc(0);
/** `isOn` false: every field is encoded anew. For tests, which run with and without. */
export const keptOctets: { isOn: boolean } = { isOn: true };
const indexedPrefix = { bits: 7, pattern: 0x80 };
const stringPrefix = { bits: 7, pattern: 0x00 };
const literalPrefix = { bits: 4, pattern: 0x00 };
const neverIndexedPrefix = { bits: 4, pattern: 0x10 };

/** No block of these fields is longer than this. */
export function maxEncodedBytes(fields: HeaderFields): number {
  let bytes = 1;
  for (let i = 0; i < fields.length; i++) {
    bytes += fields[i]!.octets + 3 * maxIntegerBytes;
  }
  return bytes;
}

/** Writes the fields at `offset` of `out`, which has room for `maxEncodedBytes`. Returns the offset behind them. */
export function encodeFields(fields: HeaderFields, out: Buffer, offset: number): number {
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const encoded = field.encoded;
    if (encoded === undefined || encoded === encodedOnce) {
      const end = writeField(field, out, offset);
      if (encoded === undefined) field.encoded = encodedOnce;
      else if (keptOctets.isOn) field.encoded = Buffer.from(out.subarray(offset, end));
      offset = end;
    } else if (encoded.length === 1) {
      out[offset++] = encoded[0]!;
    } else {
      out.set(encoded, offset);
      offset += encoded.length;
    }
  }
  return offset;
}

function writeField(field: HeaderField, out: Buffer, offset: number): number {
  const { name, value } = field;
  const nameIndex = staticNameIndex.get(name) ?? 0;
  if (!field.neverIndexed && nameIndex !== 0) {
    const exact = staticExactIndex(name, value);
    if (exact !== 0) return writeInteger(out, offset, exact, indexedPrefix);
  }
  offset = writeInteger(out, offset, nameIndex, field.neverIndexed ? neverIndexedPrefix : literalPrefix);
  if (nameIndex === 0) offset = writeString(out, offset, name);
  return writeString(out, offset, value);
}

function writeString(out: Buffer, offset: number, text: string): number {
  const length = text.length;
  offset = writeInteger(out, offset, length, stringPrefix);
  if (length > 24) return writeLatin1(out, offset, text);
  for (let i = 0; i < length; i++) out[offset++] = text.charCodeAt(i);
  return offset;
}
