// The header blocks of the benchmark's requests, as two kinds of clients write them. `repeated`: every call has the
// same header, so that after the first each is the same few octets, which is kind to proxies that cache whole blocks.
// `varying`: as grpc-go does it, with a `grpc-timeout` and a `traceparent` that differ from call to call and are put
// into the dynamic table each, so that no two blocks are alike and older entries fall out. (RFC 7541)
//
// Hot: once per request. Values are Huffman-coded as grpc-go's are; the coded traceparents are made beforehand.

import { randomBytes, randomInt } from "node:crypto";
import { huffmanCodes, huffmanLengths } from "../../sidecar/http2/hpack/huffman-table.ts";

export type HeaderKind = "repeated" | "varying";

/** Entries of HPACK's static table, RFC 7541 appendix A. */
const staticEntry = { post: 3, schemeHttp: 6 } as const;
const staticName = { authority: 1, path: 4, contentType: 31, userAgent: 58 } as const;
const tableBytes = 4_096;
const entryOverhead = 32;
/** Enough that none comes again while a proxy could remember it. */
const traceparents = 1 << 15;
/** Made once, for all connections. */
let values: readonly Buffer[] = [];

interface Fixed {
  /** The field's literal with incremental indexing. */
  readonly literal: Buffer;
  readonly size: number;
  /** How many entries had been put into the table when this one was; -1: never. */
  inserted: number;
}

export class RequestBlocks {
  readonly #kind: HeaderKind;
  readonly #fixed: readonly Fixed[];
  readonly #timeoutName: Fixed;
  readonly #traceparentName: Fixed;
  readonly #block = Buffer.alloc(1_024);
  #at = 0;
  #insertions = 0;
  /** Sizes of the table's entries, oldest first, from `#oldest` on. */
  #sizes: number[] = [];
  /** How many sizes were dropped from the front of `#sizes`. */
  #base = 0;
  #oldest = 0;
  #bytes = 0;
  #turn = randomInt(traceparents);

  constructor(kind: HeaderKind, path: string) {
    this.#kind = kind;
    this.#fixed = [
      field(staticName.path, ":path", path),
      field(staticName.authority, ":authority", "127.0.0.1"),
      field(staticName.contentType, "content-type", "application/grpc"),
      field(staticName.userAgent, "user-agent", "grpc-go/1.71.0"),
      field(0, "te", "trailers"),
    ];
    this.#timeoutName = field(0, "grpc-timeout", "");
    this.#traceparentName = field(0, "traceparent", "");
    if (kind === "varying" && values.length === 0) values = Array.from({ length: traceparents }, traceparent);
  }

  /** The next request's block, valid until the next call. */
  next(): Buffer {
    const block = this.#block;
    block[0] = 0x80 | staticEntry.post;
    block[1] = 0x80 | staticEntry.schemeHttp;
    this.#at = 2;
    for (const entry of this.#fixed) this.#indexed(entry);
    if (this.#kind === "varying") {
      // Milliseconds as microseconds, as a deadline that has been running for a moment.
      this.#literal(this.#timeoutName, coded(`${4_990_000 + ((this.#insertions * 7_919) % 9_999)}u`), 8);
      this.#literal(this.#traceparentName, values[this.#turn++ % traceparents]!, 55);
    }
    return block.subarray(0, this.#at);
  }

  #indexed(entry: Fixed): void {
    if (entry.inserted >= this.#oldest) {
      this.#integer(0x80, 7, 61 + this.#insertions - entry.inserted);
      return;
    }
    entry.literal.copy(this.#block, this.#at);
    this.#at += entry.literal.length;
    entry.inserted = this.#insert(entry.size);
  }

  /** A field with a known name and a value of its own, put into the table. `valueBytes`: before coding. */
  #literal(name: Fixed, value: Buffer, valueBytes: number): void {
    if (name.inserted >= this.#oldest) {
      this.#integer(0x40, 6, 61 + this.#insertions - name.inserted);
    } else {
      // Its literal without the empty value.
      name.literal.copy(this.#block, this.#at, 0, name.literal.length - 1);
      this.#at += name.literal.length - 1;
    }
    value.copy(this.#block, this.#at);
    this.#at += value.length;
    name.inserted = this.#insert(name.size + valueBytes);
  }

  #insert(size: number): number {
    this.#sizes.push(size);
    this.#bytes += size;
    while (this.#bytes > tableBytes) this.#bytes -= this.#sizes[this.#oldest++ - this.#base]!;
    if (this.#oldest - this.#base > 1_024) {
      this.#sizes = this.#sizes.slice(this.#oldest - this.#base);
      this.#base = this.#oldest;
    }
    return this.#insertions++;
  }

  /** RFC 7541 section 5.1. */
  #integer(first: number, bits: number, value: number): void {
    const most = (1 << bits) - 1;
    if (value < most) {
      this.#block[this.#at++] = first | value;
      return;
    }
    this.#block[this.#at++] = first | most;
    let rest = value - most;
    while (rest >= 0x80) {
      this.#block[this.#at++] = 0x80 | (rest & 0x7f);
      rest >>>= 7;
    }
    this.#block[this.#at++] = rest;
  }
}

function field(nameIndex: number, name: string, value: string): Fixed {
  const nameBytes = nameIndex === 0 ? Buffer.concat([Buffer.of(0x40), coded(name)]) : Buffer.of(0x40 | nameIndex);
  const literal = Buffer.concat([nameBytes, value === "" ? Buffer.of(0) : coded(value)]);
  return { literal, size: name.length + value.length + entryOverhead, inserted: -1 };
}

function traceparent(): Buffer {
  const hex = randomBytes(24).toString("hex");
  return coded(`00-${hex.slice(0, 32)}-${hex.slice(32)}-00`);
}

/** A string literal: length and Huffman code, both shorter than 127 octets. */
function coded(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    const length = huffmanLengths[symbol]!;
    // At most 7 bits are left over, and codes of printable ASCII have at most 19.
    bits = (bits << length) | huffmanCodes[symbol]!;
    count += length;
    while (count >= 8) {
      count -= 8;
      bytes.push((bits >>> count) & 0xff);
    }
    bits &= (1 << count) - 1;
  }
  if (count > 0) bytes.push(((bits << (8 - count)) | (0xff >>> count)) & 0xff);
  return Buffer.of(0x80 | bytes.length, ...bytes);
}
