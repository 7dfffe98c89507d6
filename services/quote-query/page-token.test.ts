import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePageToken, encodePageToken } from "./page-token.ts";

describe("a page token", () => {
  test("comes back as the place it was made of", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999_999_999 }), (before) => {
        expect(decodePageToken(encodePageToken(before))).toBe(before);
      }),
    );
  });

  test("that is empty means the first page", () => {
    expect(decodePageToken("")).toBeUndefined();
  });

  test("that was not made here is refused by its field", () => {
    const bad = [
      "x",
      "17",
      encodePageToken(17).slice(1),
      `${encodePageToken(17)}=`,
      btoa("before:0"),
      btoa("before:1e3"),
    ];
    for (const token of bad) {
      expect(decodePageToken(token)).toMatchObject({ refused: "invalid", violations: [{ field: "page_token" }] });
    }
  });
});
