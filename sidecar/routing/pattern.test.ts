import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePattern } from "./pattern.ts";

function matches(source: string, value: string, extent: "whole" | "part" = "whole"): boolean {
  const pattern = compilePattern(source, extent);
  if (!pattern.ok) throw new Error(pattern.error);
  return pattern.test(value);
}

describe("compilePattern", () => {
  test.each([
    ["/a/.*", "/a/b", true],
    ["/a/.*", "x/a/b", false],
    ["a|b", "ab", false],
    ["(a|b)*", "abba", true],
    ["v[0-9]+", "v12", true],
    ["v[0-9]+", "v", false],
    ["[^x]{2,3}", "abc", true],
    ["[^x]{2,3}", "abcd", false],
    ["a{0}", "", true],
    ["(?i)MobILE", "mobile", true],
    ["(?i:a)b", "AB", false],
    ["(?i:a)b", "Ab", true],
    ["a(?i)b|c", "C", true],
    [".", "\n", false],
    ["(?s).", "\n", true],
    ["^abc$", "abc", true],
    ["a^b", "ab", false],
    ["(^a|b)c", "bc", true],
    ["(?:|a)b", "b", true],
    ["\\d{3}-\\w+\\.x", "123-ab_c.x", true],
    ["[[:alpha:]]+[[:^digit:]]", "ab-", true],
    ["[]a]+", "]a", true],
    ["[a\\-z]+", "-az", true],
    ["\\Qa.b\\E+", "a.bb", true],
    ["\\x41\\x{42}", "AB", true],
    ["(?P<name>a)(?<other>b)", "ab", true],
    ["a{,2}", "a{,2}", true],
    ["(a*)*", "aaaa", true],
    ["(a*)+b", "aaab", true],
    ["x*?y??", "xx", true],
    ["é+", "éé", true],
    ["日本.*", "日本語", true],
  ])("%s on %j is %s", (source, value, expected) => {
    expect(matches(source, value)).toBe(expected);
  });

  test("in part: anywhere, and anchors hold", () => {
    expect(matches("b+", "abbc", "part")).toBe(true);
    expect(matches("^b", "ab", "part")).toBe(false);
    expect(matches("b$", "ab", "part")).toBe(true);
    expect(matches("b$", "abc", "part")).toBe(false);
    expect(matches("", "anything", "part")).toBe(true);
  });

  test.each(["(?=x)", "a(?<!x)", "(a)\\1", "*a", "(a", "a)", "[a", "[z-a]", "a{2,1}", "a{1001}", "\\", "\\y"])(
    "%s is refused, with the reason",
    (source) => {
      expect(compilePattern(source, "whole")).toMatchObject({ ok: false, error: expect.stringMatching(/regexp/) });
    },
  );

  test("an expression that makes a backtracking matcher explode returns", () => {
    expect(matches("(a+)+$", `${"a".repeat(50_000)}!`)).toBe(false);
    expect(matches("(.*)*(.*)*(.*)*x", "y".repeat(50_000))).toBe(false);
  });

  test("agrees with JavaScript's RegExp where both know the syntax", () => {
    const leaf = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\w", "a{2}", "(?:a|b)", "^", "$");
    const piece = fc.tuple(leaf, fc.constantFrom("", "", "*", "+", "?", "{1,2}")).map(([atom, quantifier]) => {
      return atom === "^" || atom === "$" || atom.endsWith("}") ? atom : atom + quantifier;
    });
    const expression = fc
      .array(fc.array(piece, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
      .map((options) => options.map((parts) => parts.join("")).join("|"));
    const text = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 8 }).map((letters) => letters.join(""));
    fc.assert(
      fc.property(expression, text, (source, value) => {
        expect(matches(source, value)).toBe(new RegExp(`^(?:${source})$`).test(value));
        expect(matches(source, value, "part")).toBe(new RegExp(source).test(value));
      }),
      { numRuns: 2_000 },
    );
  });
});
