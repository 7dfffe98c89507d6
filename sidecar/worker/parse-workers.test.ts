import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { maxWorkers, parseWorkers } from "./parse-workers.ts";

test("a number of workers is 1 to 64, or auto for the cores there are", () => {
  expect([parseWorkers("1"), parseWorkers("64")]).toEqual([1, 64]);
  expect(parseWorkers("auto")).toBe(Math.min(maxWorkers, availableParallelism()));
  for (const wrong of ["0", "65", "two", "1.5", "-1", ""]) {
    expect(() => parseWorkers(wrong)).toThrow("a whole number from 1 to 64, or auto for one a core");
  }
});
