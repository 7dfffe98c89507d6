// What every event log guarantees. Run by each implementation's test with a factory; an implementation that needs a
// server runs it unchanged. The part with processes of their own is in event-log-crash.suite.ts.

import { create, equals } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CommandRecordSchema, QuoteLikedSchema, QuoteSubmittedSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import { type EventLog, type LoggedRecord, LogUnavailable } from "./event-log.ts";
import type { LogFixture } from "./testing/log-fixture.ts";
import { recordOf } from "./testing/records.ts";

const like = create(QuoteLikedSchema, { quoteId: "q1" });
const append = (log: EventLog, stream: string, expectedVersion: number, commandId: string) =>
  log.append(stream, expectedVersion, recordOf(commandId, like));
const commandIds = (records: readonly LoggedRecord[]) => records.map(({ record }) => record.commandId);

/** `create` makes a fresh, empty log for each test. */
export function eventLogSuite(name: string, createFixture: () => Promise<LogFixture>): void {
  describe(`event log on ${name}`, () => {
    let fixture: LogFixture;
    let log: EventLog;
    beforeEach(async () => {
      fixture = await createFixture();
      log = await fixture.open();
    });
    afterEach(() => fixture.remove());

    appending(
      () => log,
      () => fixture,
    );
    reading(
      () => log,
      () => fixture,
    );
    following(
      () => log,
      () => fixture,
    );
  });
}

type Current<T> = () => T;

function appending(log: Current<EventLog>, fixture: Current<LogFixture>): void {
  test("gives a new stream version 1 and counts on without gaps", async () => {
    const first = await append(log(), "quote-a", 0, "c1");
    const second = await append(log(), "quote-a", 1, "c2");
    expect(first).toMatchObject({ ok: true, version: 1 });
    expect(second).toMatchObject({ ok: true, version: 2 });
    expect(await log().streamVersion("quote-a")).toBe(2);
  });

  test("keeps every field of the record, and all its events together", async () => {
    const submitted = create(QuoteSubmittedSchema, { quoteId: "q1", text: "Panta rhei. 🜄", author: "Heraclitus" });
    const record = recordOf("c1", submitted, like);
    await log().append("quote-a", 0, record);
    const [logged] = await (await fixture().open()).readStream("quote-a");
    expect(equals(CommandRecordSchema, logged!.record, record)).toBe(true);
    expect(logged!.record.events.map(({ eventId }) => eventId)).toEqual(["c1:0", "c1:1"]);
  });

  test("answers a conflict with the actual version and appends nothing", async () => {
    await append(log(), "quote-a", 0, "c1");
    await append(log(), "quote-a", 1, "c2");
    for (const expectedVersion of [0, 1, 3, 7]) {
      const result = await append(log(), "quote-a", expectedVersion, "late");
      expect(result).toEqual({ ok: false, conflict: { actualVersion: 2 } });
    }
    expect(commandIds(await log().readAll(0, 100))).toEqual(["c1", "c2"]);
  });

  test("lets exactly one of many simultaneous appends at the same version win", async () => {
    const logs = [log(), await fixture().open(), await fixture().open()];
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, i) => append(logs[i % 3]!, "quote-a", 0, `c${i}`)),
    );
    const winners = results.filter(({ ok }) => ok);
    expect(winners).toHaveLength(1);
    expect(results.filter((result) => !result.ok && result.conflict.actualVersion === 1)).toHaveLength(29);
    expect(await log().streamVersion("quote-a")).toBe(1);
  });

  test("takes many appends to different streams at once, each exactly once", async () => {
    const results = await Promise.all(Array.from({ length: 500 }, (_, i) => append(log(), `quote-${i}`, 0, `c${i}`)));
    const positions = results.map((result) => (result.ok ? result.position : Number.NaN));
    expect(new Set(positions).size).toBe(500);
    const records = await log().readAll(0, 1000);
    expect(new Set(commandIds(records)).size).toBe(500);
    for (const [i, position] of positions.entries()) {
      expect(records.find((record) => record.position === position)?.stream).toBe(`quote-${i}`);
    }
  });

  test("keeps streams apart whose names begin alike", async () => {
    await append(log(), "quote-a", 0, "c1");
    await append(log(), "quote-ab", 0, "c2");
    expect(commandIds(await log().readStream("quote-a"))).toEqual(["c1"]);
    expect(await log().streamVersion("quote-")).toBe(0);
  });

  test("refuses a stream name that could not be part of a subject", async () => {
    for (const stream of ["", "a.b", "a b", "a*", "ä"]) {
      await expect(append(log(), stream, 0, "c1")).rejects.toThrow("expected 1 to 200 letters");
    }
  });

  test("takes a record of half a megabyte", async () => {
    const quote = create(QuoteSubmittedSchema, { quoteId: "q1", text: "x".repeat(500_000), author: "a" });
    await log().append("quote-a", 0, recordOf("c1", quote));
    const [logged] = await log().readStream("quote-a");
    expect(logged!.record.events[0]!.payload.length).toBeGreaterThan(500_000);
  });

  test("is unavailable after close", async () => {
    const closed = await fixture().open();
    await append(closed, "quote-a", 0, "c1");
    await closed.close();
    await expect(append(closed, "quote-a", 1, "c2")).rejects.toThrow(LogUnavailable);
    await expect(closed.head()).rejects.toThrow(LogUnavailable);
  });

  test("is healthy while it takes appends", async () => {
    expect(await log().health()).toEqual({ ok: true, detail: "" });
  });
}

function reading(log: Current<EventLog>, fixture: Current<LogFixture>): void {
  test("is empty at first", async () => {
    expect(await log().head()).toBe(0);
    expect(await log().readAll(0, 10)).toEqual([]);
    expect(await log().readStream("quote-a")).toEqual([]);
    expect(await log().streamVersion("quote-a")).toBe(0);
  });

  test("shows an acknowledged record to everybody at once", async () => {
    const other = await fixture().open();
    for (let version = 0; version < 20; version++) {
      const result = await append(log(), "quote-a", version, `c${version}`);
      expect(await other.streamVersion("quote-a")).toBe(version + 1);
      expect(await other.head()).toBe(result.ok ? result.position : undefined);
    }
  });

  test("has one global order over all streams, page by page", async () => {
    for (let i = 0; i < 25; i++) await append(log(), `quote-${i % 3}`, Math.floor(i / 3), `c${i}`);
    const all: LoggedRecord[] = [];
    for (;;) {
      const page = await log().readAll(all.at(-1)?.position ?? 0, 10);
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(10);
      all.push(...page);
    }
    expect(commandIds(all)).toEqual(Array.from({ length: 25 }, (_, i) => `c${i}`));
    const positions = all.map(({ position }) => position);
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
    expect(await log().head()).toBe(positions.at(-1));
  });

  test("reads a stream from a version, up to a limit", async () => {
    for (let version = 0; version < 10; version++) await append(log(), "quote-a", version, `c${version}`);
    const part = await log().readStream("quote-a", 4, 3);
    expect(part.map(({ version }) => version)).toEqual([4, 5, 6]);
    expect(commandIds(await log().readStream("quote-a", 9))).toEqual(["c8", "c9"]);
    expect(await log().readStream("quote-a", 11)).toEqual([]);
  });

  test("keeps its records when everybody has closed it", async () => {
    await append(log(), "quote-a", 0, "c1");
    await log().close();
    const again = await fixture().open();
    expect(commandIds(await again.readAll(0, 10))).toEqual(["c1"]);
    expect(await append(again, "quote-a", 1, "c2")).toMatchObject({ ok: true, version: 2 });
  });
}

function following(log: Current<EventLog>, fixture: Current<LogFixture>): void {
  /** Follows until `count` records came. */
  async function follow(
    from: EventLog,
    after: number,
    batchSize: number,
    count: number,
    onBatch?: () => Promise<void>,
  ) {
    const end = new AbortController();
    const batches: (readonly LoggedRecord[])[] = [];
    await from.follow(
      after,
      batchSize,
      async (records) => {
        batches.push(records);
        await onBatch?.();
        if (batches.flat().length >= count) end.abort();
      },
      end.signal,
    );
    return batches;
  }

  test("a follower gets what is there, then what comes, in the global order", async () => {
    for (let version = 0; version < 5; version++) await append(log(), "quote-a", version, `c${version}`);
    const other = await fixture().open();
    const following = follow(other, 0, 100, 10);
    for (let version = 5; version < 10; version++) await append(log(), "quote-a", version, `c${version}`);
    const records = (await following).flat();
    expect(commandIds(records)).toEqual(Array.from({ length: 10 }, (_, i) => `c${i}`));
  });

  test("a follower starts behind its position and gets batches of the size it wants at most", async () => {
    for (let version = 0; version < 20; version++) await append(log(), "quote-a", version, `c${version}`);
    const [, , third] = await log().readAll(0, 3);
    const batches = await follow(log(), third!.position, 4, 17);
    expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThanOrEqual(4);
    expect(commandIds(batches.flat())).toEqual(Array.from({ length: 17 }, (_, i) => `c${i + 3}`));
  });

  test("a follower hands out the next batch only when the one before is done", async () => {
    for (let version = 0; version < 9; version++) await append(log(), "quote-a", version, `c${version}`);
    let running = 0;
    let most = 0;
    await follow(log(), 0, 2, 9, async () => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      running--;
    });
    expect(most).toBe(1);
  });

  test("a name changes nothing of what a follower gets, whoever had it before", async () => {
    for (let version = 0; version < 6; version++) await append(log(), "quote-a", version, `c${version}`);
    for (const after of [0, 4, 2]) {
      const seen: string[] = [];
      const end = new AbortController();
      const onBatch = async (records: readonly LoggedRecord[]) => {
        seen.push(...commandIds(records));
        if (seen.at(-1) === "c5") end.abort();
      };
      await (await fixture().open()).follow(after, 2, onBatch, end.signal, { name: "suite" });
      expect(seen).toEqual(Array.from({ length: 6 - after }, (_, i) => `c${after + i}`));
    }
  });

  test("a follower sees appends of its own connection", async () => {
    const following = follow(log(), 0, 10, 2);
    await append(log(), "quote-a", 0, "c1");
    await append(log(), "quote-a", 1, "c2");
    expect(commandIds((await following).flat())).toEqual(["c1", "c2"]);
  });

  test("following ends when the signal aborts, also while nothing comes", async () => {
    const end = new AbortController();
    const following = log().follow(0, 10, async () => {}, end.signal);
    await log().head();
    end.abort();
    await expect(following).resolves.toBeUndefined();
    await expect(log().follow(0, 10, async () => {}, end.signal)).resolves.toBeUndefined();
  });

  test("following ends with the error of the one who gets the batches", async () => {
    await append(log(), "quote-a", 0, "c1");
    const failing = log().follow(0, 10, () => Promise.reject(new Error("no more")), new AbortController().signal);
    await expect(failing).rejects.toThrow("no more");
  });
}
