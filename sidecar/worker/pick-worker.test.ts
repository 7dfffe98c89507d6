import { expect, test } from "vitest";
import { pickWorker } from "./pick-worker.ts";

const ready = (...connections: number[]) => connections.map((count) => ({ isReady: true, connections: count }));

test("the worker with the fewest connections gets the next one", () => {
  expect(pickWorker(ready(3, 1, 2), 1)).toBe(1);
});

test("equals get one in turn, behind the one that had the last", () => {
  expect(pickWorker(ready(0, 0, 0), -1)).toBe(0);
  expect(pickWorker(ready(1, 0, 0), 0)).toBe(1);
  expect(pickWorker(ready(2, 2, 2), 1)).toBe(2);
  expect(pickWorker(ready(2, 2, 2), 2)).toBe(0);
});

test("one that is not ready gets none, however few it has", () => {
  const loads = [
    { isReady: false, connections: 0 },
    { isReady: true, connections: 9 },
  ];
  expect(pickWorker(loads, -1)).toBe(1);
  expect(pickWorker([{ isReady: false, connections: 0 }], -1)).toBe(-1);
});

test("twenty connections that stay make ten each of two workers", () => {
  const counts = [0, 0];
  let last = -1;
  for (let i = 0; i < 20; i++) {
    last = pickWorker(ready(...counts), last);
    counts[last]!++;
  }
  expect(counts).toEqual([10, 10]);
});
