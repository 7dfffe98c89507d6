import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MessageSplitter, prefixMessage } from "./message-frames.ts";

describe("length-prefixed messages", () => {
  test("come out whole and in order, wherever the body was cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 });
    fc.assert(
      fc.property(messages, cuts, (sent, sizes) => {
        const got: string[] = [];
        const splitter = new MessageSplitter(40, (message) => got.push(message.toString("hex")));
        const body = Buffer.concat(sent.map((message) => prefixMessage(message)));
        for (let at = 0, i = 0; at < body.length; i++) {
          const chunk = Buffer.from(body.subarray(at, at + sizes[i % sizes.length]!));
          expect(splitter.push(chunk)).toBeUndefined();
          at += chunk.length;
          chunk.fill(0xee);
        }
        expect(got).toEqual(sent.map((message) => Buffer.from(message).toString("hex")));
        expect(splitter.isAtBoundary).toBe(true);
      }),
    );
  });

  test("an announced length above the bound is refused before a byte of it is stored", () => {
    const splitter = new MessageSplitter(10, () => {});
    expect(splitter.push(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))).toBe("too_large");
  });

  test("the compressed flag is told, any other flag is refused", () => {
    const flags: boolean[] = [];
    const splitter = new MessageSplitter(10, (_, isCompressed) => flags.push(isCompressed));
    expect(splitter.push(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7]))).toBeUndefined();
    expect(flags).toEqual([true, false]);
    expect(splitter.push(Buffer.from([2, 0, 0, 0, 0]))).toBe("bad_flag");
  });

  test("a body that ends inside a message is not at a boundary", () => {
    const splitter = new MessageSplitter(10, () => {});
    splitter.push(Buffer.from([0, 0, 0]));
    expect(splitter.isAtBoundary).toBe(false);
    splitter.push(Buffer.from([0, 2, 1]));
    expect(splitter.isAtBoundary).toBe(false);
    splitter.push(Buffer.from([1]));
    expect(splitter.isAtBoundary).toBe(true);
  });
});
