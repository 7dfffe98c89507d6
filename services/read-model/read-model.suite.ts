// What every read model guarantees, to its one writer and to its readers. Run by each implementation's test with a
// factory; an implementation that needs a server runs it unchanged.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ReadModelReader, ReadModelVersion, ReadModelWriter } from "./read-model.ts";
import { type History, history, row } from "./testing/history.ts";
import type { ModelFixture } from "./testing/model-fixture.ts";

const nowMs = 1_700_000_100_000;

interface Current {
  readonly fixture: ModelFixture;
  readonly writer: ReadModelWriter;
  readonly reader: ReadModelReader;
  /** Applies a history whole, as caught up. */
  given(events: History): Promise<void>;
}

/** `createFixture` makes an empty place for a model of the version. */
export function readModelSuite(
  name: string,
  createFixture: (version: ReadModelVersion) => Promise<ModelFixture>,
): void {
  for (const version of ["v1", "v2"] as const) {
    describe(`read model ${version} on ${name}`, () => {
      let current: Current;
      const now = () => current;
      beforeEach(async () => {
        const fixture = await createFixture(version);
        const store = fixture.store();
        const [writer, reader] = [await store.openWriter(), await fixture.store().openReader()];
        const given = async (events: History) => void (await writer.apply(events.records, events.head, nowMs));
        current = { fixture, writer, reader, given };
      });
      afterEach(async () => {
        await Promise.all([current.writer.close(), current.reader.close()]);
        await current.fixture.remove();
      });
      quotes(now);
      if (version === "v2") counts(now);
      else test("knows no top quotes", () => expect(current.reader.top("likes", 1)).rejects.toThrow("only v2"));
      checkpoints(now, version);
      rebuilding(now);
      changes(now);
    });
  }
}

function quotes(now: () => Current): void {
  test("shows a submitted quote and no other", async () => {
    await now().given(history().submit("a"));
    expect(await now().reader.quote("a")).toEqual(row("a", 10));
    expect(await now().reader.quote("b")).toBeUndefined();
  });

  test("forgets a retracted quote everywhere", async () => {
    await now().given(history().submit("a").submit("b").submit("c").retract("a"));
    const { reader } = now();
    expect(await reader.quote("a")).toBeUndefined();
    expect(await reader.newest(10, undefined)).toEqual([row("c", 30), row("b", 20)]);
    expect(await reader.submittedAfter(0, 10)).toEqual([row("b", 20), row("c", 30)]);
  });

  test("lists newest first, page by page", async () => {
    await now().given(history().submit("a").submit("b").like("a").submit("c").submit("d"));
    const { reader } = now();
    const first = await reader.newest(2, undefined);
    expect(first).toMatchObject([{ quoteId: "d" }, { quoteId: "c" }]);
    const second = await reader.newest(2, first[1]!.submittedPosition);
    expect(second).toMatchObject([{ quoteId: "b" }, { quoteId: "a" }]);
    expect(await reader.newest(2, second[1]!.submittedPosition)).toEqual([]);
  });

  test("a watcher reads on, oldest first, behind where it was", async () => {
    await now().given(history().submit("a").submit("b").submit("c"));
    expect(await now().reader.submittedAfter(10, 1)).toEqual([row("b", 20)]);
    expect(await now().reader.submittedAfter(20, 10)).toEqual([row("c", 30)]);
    expect(await now().reader.submittedAfter(30, 10)).toEqual([]);
  });

  test("every quote is equally likely to be the random one, also after retractions", async () => {
    const events = history();
    for (let i = 0; i < 12; i++) events.submit(`q${i}`);
    await now().given(events.retract("q0").retract("q11").retract("q5"));
    const seen = new Map<string, number>();
    for (let i = 0; i < 900; i++) {
      const quote = await now().reader.randomQuote((i + 0.5) / 900);
      seen.set(quote!.quoteId, (seen.get(quote!.quoteId) ?? 0) + 1);
    }
    expect([...seen.values()]).toEqual(Array(9).fill(100));
    expect((await now().reader.randomQuote(0))?.quoteId).toBeDefined();
    expect((await now().reader.randomQuote(1 - 2 ** -53))?.quoteId).toBeDefined();
  });

  test("has no random quote when there is none", async () => {
    expect(await now().reader.randomQuote(0.5)).toBeUndefined();
    await now().given(history().submit("a").retract("a"));
    expect(await now().reader.randomQuote(0.5)).toBeUndefined();
  });
}

function counts(now: () => Current): void {
  test("counts views and likes", async () => {
    await now().given(history().submit("a").like("a").views({ a: 3 }).like("a").views({ a: 1_000_000 }));
    expect(await now().reader.quote("a")).toEqual(row("a", 10, 1_000_003, 2));
  });

  test("ignores views and likes of quotes that are unknown, not yet submitted, or retracted", async () => {
    await now().given(
      history().views({ a: 5, x: 1 }).like("a").submit("a").submit("b").retract("b").like("b").views({ b: 2 }),
    );
    expect(await now().reader.quote("a")).toEqual(row("a", 30));
    expect(await now().reader.top("views", 10)).toEqual([row("a", 30)]);
  });

  test("the result does not depend on how the records were cut into batches", async () => {
    const events = history()
      .views({ a: 5 })
      .submit("a")
      .like("a")
      .submit("b")
      .views({ a: 2, b: 9 })
      .retract("b")
      .like("b");
    for (const record of events.records) await now().writer.apply([record], events.head, nowMs);
    expect(await now().reader.newest(10, undefined)).toEqual([row("a", 20, 2, 1)]);
  });

  test("top quotes: most first, ties in order of submission", async () => {
    await now().given(history().submit("a").submit("b").submit("c").like("c").like("b").views({ b: 4, a: 4, c: 9 }));
    const ids = async (by: "likes" | "views") => (await now().reader.top(by, 2)).map(({ quoteId }) => quoteId);
    expect(await ids("likes")).toEqual(["b", "c"]);
    expect(await ids("views")).toEqual(["c", "a"]);
  });
}

function checkpoints(now: () => Current, version: ReadModelVersion): void {
  const events = () => history().submit("a").like("a").views({ a: 2 }).submit("b").retract("b");

  test("begins at position 0, and knows that it has never caught up", async () => {
    expect(await now().writer.checkpoint()).toBe(0);
    expect(await now().reader.state()).toEqual({ name: `quotes-${version}`, position: 0, head: 0, caughtUpAtMs: 0 });
  });

  test("replaying twice changes nothing", async () => {
    const everything = async () => [await now().reader.newest(100, undefined), await now().reader.state()];
    await now().given(events());
    const once = await everything();
    await now().given(events());
    expect(await everything()).toEqual(once);
    expect(await now().writer.checkpoint()).toBe(50);
  });

  test("a batch that overlaps the one before continues it", async () => {
    const { records, head } = events();
    await now().writer.apply(records.slice(0, 3), head, nowMs);
    await now().writer.apply(records.slice(1), head, nowMs);
    const [views, likes] = version === "v2" ? [2, 1] : [0, 0];
    expect(await now().reader.newest(10, undefined)).toEqual([row("a", 10, views, likes)]);
    expect(await now().writer.checkpoint()).toBe(50);
  });

  test("the checkpoint is that of the rows: another writer goes on exactly there", async () => {
    const { records, head } = events();
    await now().writer.apply(records.slice(0, 2), head, nowMs);
    await now().writer.close();
    const next = await now().fixture.store().openWriter();
    expect(await next.checkpoint()).toBe(20);
    await next.apply(records, head, nowMs);
    expect(await next.checkpoint()).toBe(50);
    await next.close();
  });

  test("skips unknown events and counts them once", async () => {
    const unknown = history().submit("a").unknown().unknown();
    expect(await now().writer.apply(unknown.records, unknown.head, nowMs)).toEqual({ unknownEvents: 2 });
    expect(await now().writer.apply(unknown.records, unknown.head, nowMs)).toEqual({ unknownEvents: 0 });
    expect(await now().writer.checkpoint()).toBe(30);
  });

  test("notes when it had caught up, and how far the log is", async () => {
    const { records, head } = events();
    const state = () => now().reader.state();
    await now().writer.apply(records.slice(0, 2), head, nowMs);
    expect(await state()).toMatchObject({ position: 20, head: 50, caughtUpAtMs: 0 });
    await now().writer.apply(records, head, nowMs + 1);
    expect(await state()).toMatchObject({ position: 50, head: 50, caughtUpAtMs: nowMs + 1 });
    await now().writer.heartbeat(60, nowMs + 2);
    expect(await state()).toMatchObject({ position: 50, head: 60, caughtUpAtMs: nowMs + 1 });
  });

  test("a heartbeat with the head that it has reached means caught up, also for an empty log", async () => {
    await now().writer.heartbeat(0, nowMs);
    expect(await now().reader.state()).toMatchObject({ position: 0, head: 0, caughtUpAtMs: nowMs });
  });

  test("only one may write", async () => {
    const [first, second] = [now().fixture.store(), now().fixture.store()];
    const mine = await first.lock();
    if (!("lock" in mine)) throw new Error("the lock is taken");
    expect(await second.lock()).toEqual({ holder: `process ${process.pid}` });
    await mine.lock.release();
    const theirs = await second.lock();
    if (!("lock" in theirs)) throw new Error("the lock was not given back");
    await theirs.lock.release();
  });
}

function rebuilding(now: () => Current): void {
  test("a rebuilt model takes over in one step; until then the old one serves", async () => {
    const old = history().submit("a").submit("b");
    const fresh = history().submit("a").submit("b").submit("c");
    await now().given(old);
    const { reader, fixture, writer } = now();
    const rebuild = await fixture.store().beginRebuild();
    expect(await rebuild.writer.checkpoint()).toBe(0);
    await rebuild.writer.apply(fresh.records, fresh.head, nowMs);
    expect((await reader.state()).position).toBe(20);
    await writer.close();
    await rebuild.switchOver();
    await expect.poll(async () => (await reader.state()).position, { interval: 2 }).toBe(30);
    expect(await reader.newest(10, undefined)).toHaveLength(3);
    await rebuild.writer.apply(history().submit("a").submit("b").submit("c").submit("d").records, 40, nowMs);
    expect(await reader.newest(10, undefined)).toHaveLength(4);
    await rebuild.writer.close();
    const next = await fixture.store().openWriter();
    expect(await next.checkpoint()).toBe(40);
    await next.close();
  });

  test("an unfinished rebuild leaves nothing behind for the next", async () => {
    const store = now().fixture.store();
    const first = await store.beginRebuild();
    await first.writer.apply(history().submit("a").records, 10, nowMs);
    await first.writer.close();
    const second = await store.beginRebuild();
    expect(await second.writer.checkpoint()).toBe(0);
    await second.writer.close();
    expect(await now().writer.checkpoint()).toBe(0);
  });
}

function changes(now: () => Current): void {
  test("tells each listener of changes, until it has had enough", async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const heard = { first: 0, second: 0 };
    now().reader.onChange(() => heard.first++, first.signal);
    now().reader.onChange(() => heard.second++, second.signal);
    await now().given(history().submit("a"));
    await expect.poll(() => heard.first > 0 && heard.second > 0, { interval: 2 }).toBe(true);
    first.abort();
    const before = { ...heard };
    await now().given(history().submit("a").submit("b"));
    await expect.poll(() => heard.second, { interval: 2 }).toBeGreaterThan(before.second);
    expect(heard.first).toBe(before.first);
    second.abort();
  });

  test("tells of a model that was rebuilt", async () => {
    const { fixture, reader, writer } = now();
    const end = new AbortController();
    let heard = 0;
    const rebuild = await fixture.store().beginRebuild();
    await rebuild.writer.apply(history().submit("a").records, 10, nowMs);
    await reader.state();
    reader.onChange(() => heard++, end.signal);
    await writer.close();
    await rebuild.switchOver();
    await expect.poll(() => heard, { interval: 2 }).toBeGreaterThan(0);
    await expect.poll(async () => (await reader.state()).position, { interval: 2 }).toBe(10);
    await rebuild.writer.close();
    end.abort();
  });

  test("a reader that came before the model sees it as soon as it is there", async () => {
    const { fixture } = now();
    const reader = await fixture.store().openReader();
    await now().given(history().submit("a"));
    expect(await reader.quote("a")).toEqual(row("a", 10));
    await reader.close();
  });
}
