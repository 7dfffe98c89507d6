import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeGrpcMessage, encodeGrpcMessage } from "./percent.ts";

describe("grpc-message", () => {
  test("plain ASCII stays as it is, percent and all else are escaped in upper case", () => {
    expect(encodeGrpcMessage("no healthy instance of quote-query")).toBe("no healthy instance of quote-query");
    expect(encodeGrpcMessage("100 %")).toBe("100 %25");
    expect(encodeGrpcMessage("a\nb")).toBe("a%0Ab");
    expect(encodeGrpcMessage("ü")).toBe("%C3%BC");
    expect(encodeGrpcMessage("~")).toBe("~");
    expect(encodeGrpcMessage("\u007f")).toBe("%7F");
  });

  test("any text comes back, and the wire form is within what the specification allows raw", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const encoded = encodeGrpcMessage(text);
        expect(encoded).toMatch(/^([\x20-\x24\x26-\x7e]|%[0-9A-F]{2})*$/);
        expect(decodeGrpcMessage(encoded)).toBe(text);
      }),
    );
  });

  test("a bad escape from a peer is taken as it stands", () => {
    expect(decodeGrpcMessage("50% of %zz and %4")).toBe("50% of %zz and %4");
    expect(decodeGrpcMessage("%ff")).toBe("\ufffd");
  });
});
