import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isQuoteId, quoteIdOf, viewsStream } from "./quote-id.ts";

describe("a quote's id", () => {
  test("is the same for the same command id, for ever", () => {
    // Written down once; a change here would make repeats of old commands new quotes.
    expect(quoteIdOf("c-1")).toBe(quoteIdOf("c-1"));
    expect(quoteIdOf("c-1")).toBe("qu3366r7orxeev6ifniyf");
  });

  test("has the form that isQuoteId knows, and differs for different commands", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(isQuoteId(quoteIdOf(a))).toBe(true);
        expect(quoteIdOf(a) === quoteIdOf(b)).toBe(a === b);
      }),
    );
  });
});

describe("the stream of a producer", () => {
  test("is plain for plain ids", () => {
    expect(viewsStream("web-1")).toBe("views-web-1");
  });

  test("has a legal name for the longest id there can be", () => {
    expect(viewsStream("._".repeat(50))).toMatch(/^views-_h[0-9a-f]{64}$/);
  });

  test("has a legal name, and never belongs to two producers", () => {
    const producer = fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/);
    fc.assert(
      fc.property(producer, producer, (a, b) => {
        expect(viewsStream(a)).toMatch(/^[A-Za-z0-9_-]{1,200}$/);
        expect(viewsStream(a) === viewsStream(b)).toBe(a === b);
      }),
    );
  });
});
