import { expect, test } from "vitest";
import { madeBy, replacePart } from "./performance-page.ts";

const page = "# P\n\n<!-- a -->\nold\n<!-- end of a -->\n\nby hand\n\n<!-- b -->\n<!-- end of b -->\n";

test("a part is replaced between its marks, and all else stays", () => {
  const once = replacePart(page, "a", "new\n");
  expect(once).toBe(page.replace("\nold\n", "\n\nnew\n\n"));
  expect(replacePart(once, "a", "new")).toBe(once);
});

test("a page without the marks is told, not written", () => {
  expect(() => replacePart(page, "c", "x")).toThrow("expected <!-- c --> and <!-- end of c -->");
});

test("says the command as it can be repeated", () => {
  expect(madeBy("bench:proxy", ["--workloads", "8x32 64B", "--write"])).toContain(
    'Made by `npm run bench:proxy -- --workloads "8x32 64B" --write`',
  );
});
