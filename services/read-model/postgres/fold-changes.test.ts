import { expect, test } from "vitest";
import type { RowChange } from "../project-quotes.ts";
import { row } from "../testing/history.ts";
import { foldChanges } from "./fold-changes.ts";

const add = (quoteId: string): RowChange => ({ kind: "add", quote: row(quoteId, 10) });
const remove = (quoteId: string): RowChange => ({ kind: "remove", quoteId });
const count = (quoteId: string, views: number, likes = 0): RowChange => ({ kind: "count", quoteId, views, likes });
const shown = (changes: readonly RowChange[]) =>
  foldChanges(changes).map(({ countsBefore, adds, countsAfter, removes }) => ({
    before: Object.fromEntries([...countsBefore].map(([quoteId, { views }]) => [quoteId, views])),
    adds: [...adds.keys()],
    after: Object.fromEntries([...countsAfter].map(([quoteId, { views }]) => [quoteId, views])),
    removes: [...removes],
  }));

test("a thousand counts of two quotes are two", () => {
  const changes = Array.from({ length: 1000 }, (_, i) => count(i % 2 === 0 ? "a" : "b", 3, 1));
  expect(foldChanges(changes)).toMatchObject([
    { countsAfter: new Map(["a", "b"].map((quoteId) => [quoteId, { views: 1500, likes: 500 }])) },
  ]);
});

test("counts stay on their side of the quote's own submission", () => {
  expect(shown([count("a", 5), add("a"), count("a", 2), count("b", 1), add("a"), count("a", 4)])).toEqual([
    { before: { a: 5 }, adds: ["a"], after: { a: 6, b: 1 }, removes: [] },
  ]);
});

test("what comes after a removal changes nothing, but a quote that is added again begins another run", () => {
  expect(shown([add("a"), remove("a"), count("a", 2), remove("a"), count("b", 1)])).toEqual([
    { before: {}, adds: ["a"], after: { b: 1 }, removes: ["a"] },
  ]);
  expect(shown([remove("a"), add("a"), count("a", 2)])).toEqual([
    { before: {}, adds: [], after: {}, removes: ["a"] },
    { before: {}, adds: ["a"], after: { a: 2 }, removes: [] },
  ]);
});

test("nothing is one run of nothing", () => {
  expect(shown([])).toEqual([{ before: {}, adds: [], after: {}, removes: [] }]);
});
