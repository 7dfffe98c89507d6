import { expect, test } from "vitest";
import { mixBits, stringHash } from "./string-hash.ts";

test("the hash of a string never changes: what is sticky is so across releases", () => {
  expect([stringHash("", 0), stringHash("user-1", 0), stringHash("user-1", 1)]).toMatchInlineSnapshot(`
    [
      2872998923,
      3557448849,
      3704937399,
    ]
  `);
});

test("strings that differ in their last character alone spread over all parts of the range", () => {
  const parts = new Array(16).fill(0);
  for (let user = 0; user < 16_000; user++) parts[stringHash(`user-${user}`, 0) >>> 28]++;
  for (const count of parts) expect(Math.abs(count - 1_000)).toBeLessThan(120);
});

test("with another seed the same strings fall elsewhere", () => {
  // Those in the first tenth by one seed are spread evenly by another.
  const first = Array.from({ length: 20_000 }, (_, user) => `user-${user}`).filter(
    (user) => stringHash(user, 1) < 0.1 * 2 ** 32,
  );
  const low = first.filter((user) => stringHash(user, 2) < 2 ** 31).length / first.length;
  expect(Math.abs(low - 0.5)).toBeLessThan(0.04);
});

test("mixing is one to one for neighbours", () => {
  expect(new Set(Array.from({ length: 100_000 }, (_, value) => mixBits(value))).size).toBe(100_000);
});
