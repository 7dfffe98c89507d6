// Huffman decoding for HPACK strings (RFC 7541 section 5.2). The code is laid out once as a tree whose nodes branch
// on eight bits, in one Int32Array. We never encode with it: plain literals cost a few octets and no time.
//
// Hot: runs for every Huffman-coded literal.

import { huffmanCodes, huffmanLengths } from "./huffman-table.ts";

// An entry of the tree:   leaf:  1 << 24 | bits used of this octet << 16 | symbol
//                         node:  index of the next node (never 0, the root)
//                         0:     no code begins so (only inside EOS)
const LEAF = 1 << 24;
const EOS = 256;
const tree = buildTree();

// What 12 bits begin with:  TWO if two whole codes | bits of them << 16 | second symbol << 8 | first symbol
//                           0: a code that is longer
const pairBits = 12;
const pairCount = 1 << pairBits;
const TWO = 1 << 20;
const pairs = buildPairs();

/** Decoding failed: what RFC 7541 section 5.2 calls a decoding error. */
export const HUFFMAN_INVALID = -1;

/**
 * Decodes `input[start..end)` into `out`, which must hold 8/5 of the length (the shortest code has five bits). Returns
 * how many octets it wrote, or HUFFMAN_INVALID: EOS inside, or a padding of more than 7 bits or not all ones.
 */
export function decodeHuffman(input: Buffer, start: number, end: number, out: Buffer): number {
  let node = 0;
  let bits = 0; // the undecoded bits, right-aligned
  let bitCount = 0;
  let written = 0;
  let i = start;
  // Two symbols at a time, as long as codes are short: those of digits and letters are.
  for (;;) {
    while (bitCount < pairBits && i < end) {
      bits = ((bits << 8) | input[i++]!) & 0xfffff;
      bitCount += 8;
    }
    if (bitCount < pairBits) break;
    const entry = pairs[(bits >>> (bitCount - pairBits)) & (pairCount - 1)]!;
    if (entry === 0) break;
    out[written++] = entry & 0xff;
    if (entry >= TWO) out[written++] = (entry >>> 8) & 0xff;
    bitCount -= (entry >>> 16) & 0xf;
  }
  // Whole octets go back: from here on each is looked at by itself.
  i -= bitCount >> 3;
  bits >>>= bitCount & ~7;
  bitCount &= 7;
  bits &= (1 << bitCount) - 1;
  let pending = bitCount; // bits since the last whole symbol
  for (; i < end; i++) {
    bits = ((bits << 8) | input[i]!) & 0xffff;
    bitCount += 8;
    pending += 8;
    while (bitCount >= 8) {
      const entry = tree[(node << 8) | ((bits >>> (bitCount - 8)) & 0xff)]!;
      if (entry >= LEAF) {
        const symbol = entry & 0xffff;
        if (symbol === EOS) return HUFFMAN_INVALID;
        out[written++] = symbol;
        bitCount -= (entry >>> 16) & 0xff;
        pending = bitCount;
        node = 0;
      } else {
        if (entry === 0) return HUFFMAN_INVALID;
        bitCount -= 8;
        node = entry;
      }
    }
  }
  while (bitCount > 0) {
    const entry = tree[(node << 8) | ((bits << (8 - bitCount)) & 0xff)]!;
    const used = (entry >>> 16) & 0xff;
    if (entry < LEAF || used > bitCount) break;
    out[written++] = entry & 0xff;
    bitCount -= used;
    pending = bitCount;
    node = 0;
  }
  if (pending > 7) return HUFFMAN_INVALID;
  const mask = (1 << bitCount) - 1;
  return (bits & mask) === mask ? written : HUFFMAN_INVALID;
}

function buildTree(): Int32Array {
  const nodes: Int32Array[] = [new Int32Array(256)];
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const code = huffmanCodes[symbol]!;
    let left = huffmanLengths[symbol]!;
    let node = 0;
    while (left > 8) {
      left -= 8;
      const octet = (code >>> left) & 0xff;
      const next = nodes[node]![octet]!;
      if (next === 0) {
        nodes[node]![octet] = nodes.length;
        node = nodes.length;
        nodes.push(new Int32Array(256));
      } else {
        node = next;
      }
    }
    const first = (code << (8 - left)) & 0xff;
    for (let i = first; i < first + (1 << (8 - left)); i++) nodes[node]![i] = LEAF | (left << 16) | symbol;
  }
  const flat = new Int32Array(nodes.length << 8);
  nodes.forEach((entries, i) => {
    flat.set(entries, i << 8);
  });
  return flat;
}

function buildPairs(): Int32Array {
  const table = new Int32Array(pairCount);
  for (let bits = 0; bits < pairCount; bits++) {
    const first = symbolAt(bits, pairBits);
    if (first === undefined) continue;
    const used = huffmanLengths[first]!;
    const second = symbolAt(bits & ((1 << (pairBits - used)) - 1), pairBits - used);
    if (second === undefined) table[bits] = (used << 16) | first;
    else table[bits] = TWO | ((used + huffmanLengths[second]!) << 16) | (second << 8) | first;
  }
  return table;
}

/** The symbol whose whole code the `count` right-most bits of `bits` begin with. */
function symbolAt(bits: number, count: number): number | undefined {
  for (let symbol = 0; symbol < EOS; symbol++) {
    const length = huffmanLengths[symbol]!;
    if (length <= count && bits >>> (count - length) === huffmanCodes[symbol]) return symbol;
  }
  return undefined;
}
