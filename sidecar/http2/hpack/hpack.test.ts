// The vectors of RFC 7541 appendix C, the errors it demands, and what our encoder promises.

import { describe, expect, test } from "vitest";
import { ConnectionError, ErrorCode } from "../error-code.ts";
import { HeaderField, type HeaderFields } from "../header-field.ts";
import { hpackStories } from "../testing/hpack-vectors.ts";
import { HpackDecoder } from "./decoder.ts";
import { encodeFields, maxEncodedBytes } from "./encoder.ts";

const limits = { maxHeaderListBytes: 32_768, maxFields: 128 };

function decode(decoder: HpackDecoder, hex: string): [string, string][] {
  const block = Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
  return decoder.decode(block, 0, block.length).map(({ name, value }): [string, string] => [name, value]);
}

function encode(fields: HeaderFields): Buffer {
  const out = Buffer.alloc(maxEncodedBytes(fields));
  return out.subarray(0, encodeFields(fields, out, 0));
}

function errorOf(hex: string): unknown {
  try {
    decode(new HpackDecoder(limits), hex);
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("RFC 7541 appendix C", () => {
  test.each(hpackStories)("$title", ({ maxTableBytes, vectors }) => {
    const decoder = new HpackDecoder(limits);
    if (maxTableBytes !== 4096) decode(decoder, resizeTo[maxTableBytes]!);
    for (const { block, fields, tableBytes } of vectors) {
      expect(decode(decoder, block)).toEqual(fields);
      expect(decoder.tableBytes).toBe(tableBytes);
    }
  });

  test("C.2.3 alone is marked as never indexed", () => {
    const marks = hpackStories.map(({ vectors }) => {
      const octets = Buffer.from(vectors[0]!.block.replaceAll(" ", ""), "hex");
      return new HpackDecoder(limits).decode(octets, 0, octets.length).some((field) => field.neverIndexed);
    });
    expect(marks).toEqual(hpackStories.map(({ title }) => title.startsWith("C.2.3")));
  });

  test("what our encoder makes of the fields decodes to the same fields", () => {
    for (const { vectors } of hpackStories) {
      const decoder = new HpackDecoder(limits);
      for (const { fields } of vectors) {
        const octets = encode(fields.map(([name, value]) => new HeaderField(name, value)));
        expect(decode(decoder, octets.toString("hex"))).toEqual(fields);
        expect(decoder.tableBytes).toBe(0);
      }
    }
  });
});

/** A size update to 256, as the examples of C.5 and C.6 suppose. */
const resizeTo: Readonly<Record<number, string>> = { 256: "3fe1 01" };

describe("decoding errors", () => {
  test.each([
    ["index 0", "80"],
    ["an index beyond both tables", "be"],
    ["an integer of more than 28 bits", "ff ffff ffff 0f"],
    ["an integer cut off", "ff ff"],
    ["a string cut off", "0005 61"],
    ["a literal without a value", "0001 61"],
    ["a size update above the announced size", "3fe2 1f"],
    ["a size update inside a block", "82 20"],
    ["EOS inside a string", "0001 6184 ffff ffff"],
    ["Huffman padding of eight bits", "0001 6182 1fff"],
    ["Huffman padding of zeros", "0001 6181 18"],
  ])("%s is COMPRESSION_ERROR", (_what, hex) => {
    const error = errorOf(hex);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: ErrorCode.COMPRESSION_ERROR });
  });

  test("two size updates at the start of a block are allowed", () => {
    expect(errorOf("20 3fe1 1f 82")).toBeUndefined();
  });
});

describe("limits while decoding", () => {
  test("a list over its octets is cut off, and the table stays in step", () => {
    const decoder = new HpackDecoder({ maxHeaderListBytes: 100, maxFields: 128 });
    const inserts = "4001 6101 78";
    decode(decoder, inserts.repeat(4));
    expect(decoder.exceeded).toBe("header list bytes");
    expect(decode(decoder, "be")).toEqual([["a", "x"]]);
    expect(decoder.exceeded).toBe("");
  });

  test("references of one octet count as fields", () => {
    const decoder = new HpackDecoder(limits);
    expect(decode(decoder, "82".repeat(60_000)).length).toBe(128);
    expect(decoder.exceeded).not.toBe("");
  });
});

describe("the encoder", () => {
  test("sends exact static matches as one octet", () => {
    expect(encode([new HeaderField(":status", "200"), new HeaderField(":method", "POST")]).toString("hex")).toBe(
      "8883",
    );
  });

  test("is stateless: the same fields give the same octets at every encoding", () => {
    const fields = [new HeaderField("content-type", "application/grpc"), new HeaderField("x-long", "v".repeat(300))];
    const first = encode(fields).toString("hex");
    expect(encode(fields).toString("hex")).toBe(first);
    expect(encode(fields).toString("hex")).toBe(first);
  });

  test("§6.2.3 keeps a never-indexed field never-indexed, with a static name, without, and when sent again", () => {
    const decoder = new HpackDecoder(limits);
    const secret = new HeaderField("authorization", "bearer x", true);
    const other = new HeaderField("x-token", "y", true);
    const exact = new HeaderField(":method", "GET", true);
    for (let i = 0; i < 3; i++) {
      const block = encode([secret, other, exact]);
      expect(block[0]! & 0xf0).toBe(0x10);
      const decoded = decoder.decode(block, 0, block.length);
      expect(decoded.map((field) => field.neverIndexed)).toEqual([true, true, true]);
    }
  });

  test("what a decoder's table hands out is the same object each time", () => {
    const decoder = new HpackDecoder(limits);
    const insert = Buffer.from("4001610178", "hex");
    const [first] = decoder.decode(insert, 0, insert.length);
    const reference = Buffer.from("be", "hex");
    const [second] = decoder.decode(reference, 0, 1);
    expect(second).toBe(first);
  });
});
