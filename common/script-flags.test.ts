import { describe, expect, test } from "vitest";
import { FlagError, parseFlags, parseNumber } from "./script-flags.ts";

const options = {
  seconds: { type: "string", default: "60" },
  json: { type: "boolean", default: false },
} as const;

describe("parseFlags", () => {
  test("gives what is stated, and defaults for the rest", () => {
    expect(parseFlags(["--json", "--seconds", "5"], options)).toEqual({ json: true, seconds: "5" });
    expect(parseFlags([], options)).toEqual({ json: false, seconds: "60" });
  });

  test.each([
    [["--secs", "5"], "Unknown option '--secs'; there are --seconds, --json"],
    [["5"], /^Unexpected argument '5'.*; there are --seconds, --json$/],
    [["--seconds"], /^Option '--seconds <value>' argument missing; there are --seconds, --json$/],
    [["--seconds", "-1"], "Option '--seconds' argument is ambiguous; there are --seconds, --json"],
    [["--json=yes"], /^Option '--json' does not take an argument; there are --seconds, --json$/],
  ])("%j is one sentence", (args, sentence) => {
    expect(() => parseFlags(args, options)).toThrow(FlagError);
    expect(() => parseFlags(args, options)).toThrow(sentence);
  });
});

describe("parseNumber", () => {
  test("a number within its bounds is that number", () => {
    expect(parseNumber("seconds", { text: "0.5", min: 0, max: 10 })).toBe(0.5);
    expect(parseNumber("seed", { text: "10", min: 0, max: 10, isWhole: true })).toBe(10);
  });

  test.each(["abc", "", " ", "-1", "11", "NaN", "1.5"])("%j is none", (text) => {
    const range = { text, min: 0, max: 10, isWhole: true };
    expect(() => parseNumber("seed", range)).toThrow(`--seed ${text}: expected a whole number from 0 to 10`);
  });
});
