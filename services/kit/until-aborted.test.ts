import { describe, expect, test } from "vitest";
import { untilAborted } from "./until-aborted.ts";

async function* endless() {
  yield 1;
  yield 2;
  await new Promise(() => {});
}

async function collect(items: AsyncIterable<number>): Promise<number[]> {
  const seen: number[] = [];
  for await (const item of items) seen.push(item);
  return seen;
}

describe("reading until aborted", () => {
  test("ends with the items", async () => {
    const items = (async function* () {
      yield* [1, 2];
    })();
    expect(await collect(untilAborted(items, new AbortController().signal))).toEqual([1, 2]);
  });

  test("ends when the signal aborts while it waits for an item, or did before", async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const item of untilAborted(endless(), stop.signal)) {
      seen.push(item);
      if (item === 2) setImmediate(() => stop.abort());
    }
    expect(seen).toEqual([1, 2]);
    expect(await collect(untilAborted(endless(), stop.signal))).toEqual([]);
  });

  test("throws what the items throw", async () => {
    const items = (async function* () {
      yield 1;
      throw new Error("broken");
    })();
    await expect(collect(untilAborted(items, new AbortController().signal))).rejects.toThrow("broken");
  });
});
