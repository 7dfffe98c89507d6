import { describe, expect, test } from "vitest";
import { defaultLimits, limitRows } from "./limits.ts";
import { limitBounds, parseLimits } from "./parse-limits.ts";

describe("limits as text", () => {
  test("are name=number with commas, spaces around them allowed", () => {
    expect(parseLimits("maxConcurrentStreams=256")).toEqual({ maxConcurrentStreams: 256 });
    expect(parseLimits(" idleMs = 0 , maxFields=64")).toEqual({ idleMs: 0, maxFields: 64 });
  });

  test("every limit can be set to its default and to both ends of its bounds", () => {
    const whole = Object.entries(defaultLimits).map(([name, value]) => `${name}=${value}`);
    expect(parseLimits(whole.join(","))).toEqual(defaultLimits);
    for (const [name, row] of Object.entries(limitRows)) {
      const { min, max } = limitBounds(row);
      for (const value of [min, max]) expect(parseLimits(`${name}=${value}`)).toEqual({ [name]: value });
      for (const value of [min - 1, max + 1]) {
        expect(() => parseLimits(`${name}=${value}`)).toThrow(`${name} to be a whole number from ${min} to ${max}`);
      }
    }
  });

  test.each([
    ["idelMs=1", "no limit is named idelMs; did you mean idleMs?"],
    ["MaxFields=1", "no limit is named MaxFields; did you mean maxFields?"],
    ["constructor=1", "no limit is named constructor"],
    ["colour=1", "no limit is named colour"],
    ["idleMs=1,idleMs=1", "idleMs only once"],
    ["idleMs=60s", "idleMs to be a whole number from 0 to 2147483647"],
    ["idleMs=1.5", "idleMs to be a whole number"],
    ["idleMs=1e3", "idleMs to be a whole number"],
    ["maxConnections=0", "maxConnections to be a whole number from 1 to 2147483647"],
    ["ageJitterPercent=101", "ageJitterPercent to be a whole number from 0 to 100"],
    ["idleMs", "a list of name=number"],
    ["idleMs=", "a list of name=number"],
    ["=1", "a list of name=number"],
    ["idleMs=1=2", "a list of name=number"],
    ["idleMs=1,", "a list of name=number"],
    ["", "a list of name=number"],
  ])("%j is refused: %s", (text, message) => {
    expect(() => parseLimits(text)).toThrow(message);
  });
});
