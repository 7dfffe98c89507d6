import { afterEach, describe, expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { FollowedModel } from "./followed-model.ts";
import { MemoryReader } from "./testing/memory-reader.ts";

let end = new AbortController();
afterEach(() => end.abort());

function follow() {
  end = new AbortController();
  const reader = new MemoryReader();
  const clock = new TestingClock();
  return { reader, clock, model: new FollowedModel(reader, clock, end.signal) };
}
const never = () => new AbortController().signal;

describe("a followed model", () => {
  test("reaches a position as soon as a change brings it", async () => {
    const { reader, model } = follow();
    const reached = model.reaches(5, never);
    reader.change({ position: 4 });
    reader.change({ position: 5 });
    expect(await reached).toBe(true);
  });

  test("has reached what it holds already, though no change was told", async () => {
    const { reader, model } = follow();
    await model.state();
    reader.current = { ...reader.current, position: 9 };
    expect(await model.reaches(9, never)).toBe(true);
  });

  test("gives up when patience ends or the caller does", async () => {
    const { clock, model } = follow();
    const caller = new AbortController();
    const impatient = model.reaches(5, never, 100);
    const cancelled = model.reaches(5, () => caller.signal);
    await clock.advance(100);
    expect(await impatient).toBe(false);
    caller.abort();
    expect(await cancelled).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  test("is healthy when it can be read and has held everything once", async () => {
    const { reader, model } = follow();
    reader.change({ position: 3, head: 10 });
    expect(await model.health()).toEqual({ ok: false, detail: "the model has not caught up yet: position 3 of 10" });
    reader.change({ caughtUpAtMs: 1 });
    expect(await model.health()).toMatchObject({ ok: true });
    reader.failure = new Error("gone");
    await expect(model.health()).rejects.toThrow("gone");
  });

  test("reads the state once for all who wait, and once more for a change during the read", async () => {
    const { reader, model } = follow();
    let reads = 0;
    const hold = Promise.withResolvers<void>();
    const state = reader.state.bind(reader);
    reader.state = async () => {
      reads++;
      const read = await state();
      if (reads === 1) await hold.promise;
      return read;
    };
    const waiting = Array.from({ length: 100 }, () => model.reaches(1, never));
    reader.change({ position: 1 });
    hold.resolve();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([true]));
    expect(reads).toBe(2);
  });

  test("stops listening when it is ended", () => {
    const { reader } = follow();
    expect(reader.listeners).toBe(1);
    end.abort();
    expect(reader.listeners).toBe(0);
  });
});
