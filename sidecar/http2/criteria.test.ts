// The README's table of criteria names tests; here each name is looked up, so that the table cannot rot.

import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const here = new URL(".", import.meta.url);
const root = new URL("../../", here);
const rows = readFileSync(new URL("README.md", here), "utf8")
  .split("\n")
  .filter((line) => /^\| \d+ +\|/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()));

function textOf(file: string): string {
  const path = new URL(file, file.startsWith("sidecar/") ? root : here);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

test("every criterion has a row, in order, with a test or a reason", () => {
  expect(rows.map((cells) => Number(cells[1]))).toEqual(Array.from({ length: 70 }, (_, i) => i + 1));
  for (const cells of rows) expect(cells[3]!.length, cells[1]).toBeGreaterThan(10);
});

test("every test that the table names exists in the file that it names", () => {
  const missing: string[] = [];
  for (const cells of rows) {
    for (const part of cells[3]!.split(" · ")) {
      const named = /^([\w/-]+\.test\.ts): ([^(;]+)/.exec(part);
      if (named === null) continue;
      if (!textOf(named[1]!).includes(named[2]!.trim())) missing.push(`${cells[1]}: ${part}`);
    }
  }
  expect(missing).toEqual([]);
});
