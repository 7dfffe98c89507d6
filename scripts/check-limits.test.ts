import { describe, expect, test } from "vitest";
import { checkLimits, limits } from "./check-limits.ts";

const lines = (count: number) => "f();\n".repeat(count);

describe("checkLimits", () => {
  test("lets a file of exactly the limit pass, one line more is a problem", () => {
    expect(checkLimits("a.ts", lines(limits.fileLines))).toEqual([]);
    expect(checkLimits("a.ts", lines(limits.fileLines + 1))).toHaveLength(1);
  });

  test("measures a function from its head to its brace", () => {
    const of = (count: number) => `function f() {\n${lines(count)}}\n`;
    expect(checkLimits("a.ts", of(limits.functionLines - 2))).toEqual([]);
    expect(checkLimits("a.ts", of(limits.functionLines - 1))[0]?.message).toBe("function f has 81 lines, limit 80");
  });

  test("holds tests to the limits of files and lines only", () => {
    expect(checkLimits("a.test.ts", `function f() {\n${lines(100)}}\n`)).toEqual([]);
    expect(checkLimits("a.test.ts", `  doc: "${"x".repeat(limits.lineLength)}",`)).toEqual([]);
    expect(checkLimits("a.test.ts", `// ${"x".repeat(limits.lineLength)}`)).toHaveLength(1);
  });
});
