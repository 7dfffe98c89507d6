import { expect, test } from "vitest";
import { describeProblems } from "../common/settings.ts";
import { readSidecarSettings } from "./settings.ts";

const env = { FERRY_SERVICE: "quote-query", FERRY_APP: "127.0.0.1:9000" };

test("FERRY_LIMITS sets limits by name; unset, all keep their defaults", () => {
  expect(readSidecarSettings(env)).toMatchObject({ settings: { limits: {} } });
  expect(readSidecarSettings({ ...env, FERRY_LIMITS: "maxFields=64,idleMs=0" })).toMatchObject({
    settings: { limits: { maxFields: 64, idleMs: 0 } },
  });
});

test("a limit that nobody knows, and a value out of bounds, are problems in words", () => {
  const told = (limits: string) => {
    const result = readSidecarSettings({ ...env, FERRY_LIMITS: limits });
    return "problems" in result ? describeProblems(result.problems) : "";
  };
  expect(told("maxField=64")).toBe('FERRY_LIMITS="maxField=64": no limit is named maxField; did you mean maxFields?');
  expect(told("maxFields=0")).toBe(
    'FERRY_LIMITS="maxFields=0": expected maxFields to be a whole number from 1 to 2147483647',
  );
});
