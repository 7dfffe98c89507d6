// The vectors of RFC 7541 appendix C, the errors it demands, and what our encoder promises.

import { describe, expect, test } from "vitest";
import { ConnectionError, ErrorCode } from "../error-code.ts";
import { HeaderField, type HeaderFields } from "../header-field.ts";
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

const requests: [string, string][][] = [
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ],
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];

describe("RFC 7541 appendix C", () => {
  test("C.2.1 literal with indexing", () => {
    expect(
      decode(new HpackDecoder(limits), "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"),
    ).toEqual([["custom-key", "custom-header"]]);
  });

  test("C.2.2 to C.2.4 literal without indexing, never indexed, indexed", () => {
    const decoder = new HpackDecoder(limits);
    expect(decode(decoder, "040c 2f73 616d 706c 652f 7061 7468")).toEqual([[":path", "/sample/path"]]);
    expect(decode(decoder, "1008 7061 7373 776f 7264 0673 6563 7265 74")).toEqual([["password", "secret"]]);
    expect(decode(decoder, "82")).toEqual([[":method", "GET"]]);
  });

  test("C.3 requests without Huffman share a dynamic table", () => {
    const decoder = new HpackDecoder(limits);
    expect(decode(decoder, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d")).toEqual(requests[0]);
    expect(decode(decoder, "8286 84be 5808 6e6f 2d63 6163 6865")).toEqual(requests[1]);
    expect(decode(decoder, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65")).toEqual(
      requests[2],
    );
  });

  test("C.4 requests with Huffman", () => {
    const decoder = new HpackDecoder(limits);
    expect(decode(decoder, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff")).toEqual(requests[0]);
    expect(decode(decoder, "8286 84be 5886 a8eb 1064 9cbf")).toEqual(requests[1]);
    expect(decode(decoder, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")).toEqual(requests[2]);
  });

  test("C.6 responses with Huffman evict from a table of 256 octets", () => {
    const decoder = new HpackDecoder(limits);
    const first =
      "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    expect(decode(decoder, first)).toEqual([
      [":status", "302"],
      ["cache-control", "private"],
      ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ["location", "https://www.example.com"],
    ]);
    expect(decode(decoder, "4883 640e ffc1 c0bf")[0]).toEqual([":status", "307"]);
    const third =
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    expect(decode(decoder, third)).toEqual([
      [":status", "200"],
      ["cache-control", "private"],
      ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
      ["location", "https://www.example.com"],
      ["content-encoding", "gzip"],
      ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
    ]);
  });
});

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
