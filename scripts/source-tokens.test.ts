import { describe, expect, test } from "vitest";
import { tokenise } from "./source-tokens.ts";

const texts = (source: string) => tokenise(source).map((token) => token.text);

describe("tokenise", () => {
  test("drops comments and keeps line numbers", () => {
    expect(tokenise("/* a\n b */ x // y\nz")).toEqual([
      { kind: "word", text: "x", line: 2 },
      { kind: "word", text: "z", line: 3 },
    ]);
  });

  test("makes one token of a string, whatever is in it", () => {
    expect(texts(`f("a // \\" b", 'import')`)).toEqual(["f", "(", 'a // \\" b', ",", "import", ")"]);
  });

  test("tells a regular expression from a division", () => {
    expect(tokenise('a = /[/"]/g; b / c / d').map((token) => token.kind)).not.toContain("string");
    expect(texts("b / c / d")).toEqual(["b", "/", "c", "/", "d"]);
    expect(texts("i++ / 2 / n")).toEqual(["i", "++", "/", "2", "/", "n"]);
  });

  test("looks into a template's holes, nested ones too", () => {
    expect(texts(["`a $", "{f({ b: `$", "{c} }` })} import`; d"].join(""))).toEqual([
      "`",
      "f",
      "(",
      "{",
      "b",
      ":",
      "`",
      "c",
      "}",
      ")",
      ";",
      "d",
    ]);
  });
});
