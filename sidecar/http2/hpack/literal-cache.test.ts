import { assert, property, uint8Array } from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { HeaderField } from "../header-field.ts";
import { HpackDecoder, literals } from "./decoder.ts";
import { LiteralCache } from "./literal-cache.ts";

// Also where the other tests run without.
beforeAll(() => {
  literals.isOn = true;
});

const limits = { maxHeaderListBytes: 65_536, maxFields: 100 };
const literal = (name: string, value: string, first = 0) =>
  Buffer.from([first, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);

/** The field objects that one block becomes in several decoders, one after the other. */
function decodeInTurn(block: Buffer, times: number): HeaderField[] {
  return Array.from({ length: times }, () => new HpackDecoder(limits).decode(block, 0, block.length)[0]!);
}

test("a literal that comes a third time is the same field, on whatever connection", () => {
  const [first, second, third, fourth] = decodeInTurn(literal("x-unit-third", "value"), 4);
  expect(second).not.toBe(first);
  expect(third).toBe(second);
  expect(fourth).toBe(second);
});

test("fields that hold secrets, and what was marked never-indexed, are never shared", () => {
  for (const name of ["authorization", "cookie", "set-cookie", "proxy-authorization"]) {
    expect(new Set(decodeInTurn(literal(name, "a secret"), 5)).size).toBe(5);
  }
  const marked = decodeInTurn(literal("x-unit-marked", "value", 0x10), 5);
  expect(new Set(marked).size).toBe(5);
  expect(marked.every(({ neverIndexed }) => neverIndexed)).toBe(true);
});

test("what is found is the field of exactly these octets, whatever else was offered", () => {
  const cache = new LiteralCache();
  const offered = new Map<string, HeaderField>();
  assert(
    property(uint8Array({ minLength: 1, maxLength: 6, max: 3 }), (octets) => {
      const block = Buffer.from(octets);
      const key = block.toString("hex");
      const found = cache.find(block, 0, block.length);
      if (found !== undefined) expect(found).toBe(offered.get(key));
      const field = offered.get(key) ?? new HeaderField("x", key);
      offered.set(key, field);
      if (found === undefined) cache.offer(block, 0, block.length, field);
    }),
    { numRuns: 5_000 },
  );
});

test("a literal in Huffman code and one without are told apart, and mean the same", () => {
  const plain = Buffer.from([0x00, 0x01, 0x61, 0x01, 0x61]);
  const coded = Buffer.from([0x00, 0x81, 0x1f, 0x81, 0x1f]);
  for (const block of [plain, coded, plain, coded, plain, coded]) {
    expect(new HpackDecoder(limits).decode(block, 0, block.length)).toMatchObject([{ name: "a", value: "a" }]);
  }
});
