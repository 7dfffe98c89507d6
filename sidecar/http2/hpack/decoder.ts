// HPACK decoding (RFC 7541): a whole header block to fields. One per connection, since the dynamic table is the
// connection's state: every block must pass through here, also one whose stream is refused or gone.
//
// Guarantees: table entries come out as the same object at every reference; lists above the limits are decoded to
// their end, so that the table stays in step, but are not kept (RFC 9113 section 10.5.1); errors are connection errors.
// Hot: runs for every header block.

import { ConnectionError, ErrorCode } from "../error-code.ts";
import { HeaderField } from "../header-field.ts";
import { readLatin1 } from "../latin1.ts";
import { DynamicTable, entryOverheadBytes } from "./dynamic-table.ts";
import { decodeHuffman, HUFFMAN_INVALID } from "./huffman.ts";
import { LiteralCache, maxCachedLiteralBytes } from "./literal-cache.ts";
import { staticTable, staticTableSize } from "./static-table.ts";

/** The SETTINGS_HEADER_TABLE_SIZE we stand by: the default, since lowering it is not widely interoperable. */
export const decoderTableBytes = 4096;

export interface HeaderListLimits {
  /** Sum over the list of name + value + 32, in octets. */
  readonly maxHeaderListBytes: number;
  readonly maxFields: number;
}

/** Shared by all decoders: decoding is synchronous. Grows to the longest string seen, which the block's cap bounds. */
let scratch = Buffer.allocUnsafeSlow(4096);
export const literals: LiteralCache = new LiteralCache();
const lengthMask = 63;

export class HpackDecoder {
  /** What was too much in the list that was decoded last; empty when nothing was. */
  exceeded: "" | "header list bytes" | "header fields" = "";
  readonly #table = new DynamicTable(decoderTableBytes);
  readonly #limits: HeaderListLimits;
  /** By a block's length, to some bits: how many fields the last such had. An array that grows leaves much unused. */
  readonly #guessedCounts = new Uint8Array(lengthMask + 1);
  #block: Buffer = scratch;
  #position = 0;
  #end = 0;

  constructor(limits: HeaderListLimits) {
    this.#limits = limits;
  }

  /** What the dynamic table holds, entries' overhead included. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /**
   * Decodes `block[start..end)`. Throws ConnectionError(COMPRESSION_ERROR). When `exceeded` is set, the list is cut
   * off.
   */
  decode(block: Buffer, start: number, end: number): HeaderField[] {
    this.#block = block;
    this.#position = start;
    this.#end = end;
    this.exceeded = "";
    const fields = new Array<HeaderField>(this.#guessedCounts[(end - start) & lengthMask]!);
    let count = 0;
    let listBytes = 0;
    let maySizeUpdate = true;
    while (this.#position < end) {
      const first = block[this.#position]!;
      let field: HeaderField;
      if (first >= 0x80) {
        field = this.#entry(this.#readInteger(0x7f));
      } else if (first >= 0x40) {
        field = this.#readLiteral(0x3f, false);
        this.#table.insert(field);
      } else if (first >= 0x20) {
        if (!maySizeUpdate) throw compressionError("size update inside a header block");
        this.#resize(this.#readInteger(0x1f));
        continue;
      } else {
        field = this.#readLiteral(0x0f, first >= 0x10);
      }
      maySizeUpdate = false;
      listBytes += field.octets + entryOverheadBytes;
      if (listBytes > this.#limits.maxHeaderListBytes) this.exceeded = "header list bytes";
      else if (count === this.#limits.maxFields) this.exceeded = "header fields";
      else if (this.exceeded === "") fields[count++] = field;
    }
    if (fields.length !== count) {
      fields.length = count;
      this.#guessedCounts[(end - start) & lengthMask] = count;
    }
    return fields;
  }

  #resize(bytes: number): void {
    if (bytes > decoderTableBytes) throw compressionError(`size update to ${bytes} of at most ${decoderTableBytes}`);
    this.#table.resize(bytes);
  }

  #entry(index: number): HeaderField {
    if (index <= staticTableSize) {
      if (index === 0) throw compressionError("index 0");
      return staticTable[index]!;
    }
    const field = this.#table.at(index - staticTableSize - 1);
    if (field === undefined) throw compressionError(`index ${index} beyond both tables`);
    return field;
  }

  #readLiteral(prefixMask: number, neverIndexed: boolean): HeaderField {
    const start = this.#position;
    const index = this.#readInteger(prefixMask);
    if (neverIndexed || index > staticTableSize) return this.#literal(index, neverIndexed);
    const behindIndex = this.#position;
    if (index === 0) this.#skipString();
    this.#skipString();
    const end = this.#position;
    const mayBeKnown = end - start <= maxCachedLiteralBytes;
    const known = mayBeKnown ? literals.find(this.#block, start, end) : undefined;
    if (known !== undefined) return known;
    this.#position = behindIndex;
    const field = this.#literal(index, false);
    if (mayBeKnown) literals.offer(this.#block, start, end, field);
    return field;
  }

  /** The strings of a literal whose name has this index; 0: a name of its own. */
  #literal(index: number, neverIndexed: boolean): HeaderField {
    const name = index === 0 ? this.#readString() : this.#entry(index).name;
    return new HeaderField(name, this.#readString(), neverIndexed);
  }

  #readInteger(prefixMask: number): number {
    let value = this.#block[this.#position++]! & prefixMask;
    if (value < prefixMask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#position >= this.#end) throw compressionError("integer cut off");
      const octet = this.#block[this.#position++]!;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw compressionError("integer too large");
  }

  /** Goes behind a string; returns how many octets it has. */
  #skipString(): number {
    if (this.#position >= this.#end) throw compressionError("literal cut off");
    const length = this.#readInteger(0x7f);
    this.#position += length;
    if (this.#position > this.#end) throw compressionError(`string of ${length} octets cut off`);
    return length;
  }

  #readString(): string {
    const isHuffman = this.#position < this.#end && this.#block[this.#position]! >= 0x80;
    const length = this.#skipString();
    const stop = this.#position;
    const start = stop - length;
    if (!isHuffman) return readLatin1(this.#block, start, stop);
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2);
    const decoded = decodeHuffman(this.#block, start, stop, scratch);
    if (decoded === HUFFMAN_INVALID) throw compressionError("invalid Huffman code");
    return readLatin1(scratch, 0, decoded);
  }
}

function compressionError(detail: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `header block: ${detail}`);
}
