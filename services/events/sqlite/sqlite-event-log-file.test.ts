// What can happen to the file under the SQLite event log: locks, a full or read-only disk, removal, replacement.

import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "../../../common/random.ts";
import { TestingClock } from "../../../common/testing-clock.ts";
import { QuoteLikedSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import { type EventLog, LogUnavailable } from "../event-log.ts";
import { recordOf } from "../testing/records.ts";
import { sqliteLogFixture } from "../testing/sqlite-log-fixture.ts";
import { prepareEventLog, setUpEventLog } from "./event-log-schema.ts";
import { SqliteEventLog } from "./sqlite-event-log.ts";

const like = create(QuoteLikedSchema, { quoteId: "q1" });
const append = (log: EventLog, expectedVersion: number) =>
  log.append("quote-a", expectedVersion, recordOf(`c${expectedVersion}`, like));

describe("the file of the SQLite event log", () => {
  let fixture: Awaited<ReturnType<typeof sqliteLogFixture>>;
  const others: DatabaseSync[] = [];
  const opened: EventLog[] = [];
  beforeEach(async () => {
    fixture = await sqliteLogFixture();
  });
  afterEach(async () => {
    for (const other of others.splice(0)) other.close();
    await Promise.all(opened.splice(0).map((log) => log.close()));
    await fixture.remove();
  });

  function other(): DatabaseSync {
    const db = new DatabaseSync(fixture.file);
    others.push(db);
    return db;
  }

  function onClock(clock: TestingClock, options: { giveUpAfterMs?: number; minFreeBytes?: number } = {}): EventLog {
    const log = new SqliteEventLog({ file: fixture.file, clock, random: seededRandom(1), ...options });
    opened.push(log);
    return log;
  }

  test("is in WAL mode and synced at every commit", () => {
    const db = other();
    setUpEventLog(db);
    setUpEventLog(db);
    expect(db.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    expect(db.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
  });

  test("an append waits while another process writes, without holding up the event loop", async () => {
    const log = await fixture.open();
    await append(log, 0);
    const writer = other();
    writer.exec("BEGIN IMMEDIATE");
    let isDone = false;
    const appending = append(log, 1).finally(() => {
      isDone = true;
    });
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    writer.exec("ROLLBACK");
    expect(await appending).toMatchObject({ ok: true, version: 2 });
  });

  test("an append gives up when the lock is held for longer, and nothing is appended", async () => {
    const clock = new TestingClock();
    const log = onClock(clock, { giveUpAfterMs: 500 });
    await append(log, 0);
    const writer = other();
    writer.exec("BEGIN IMMEDIATE");
    const appending = expect(append(log, 1)).rejects.toThrow(/events\.db: database is locked/);
    await clock.advance(600);
    await appending;
    writer.exec("ROLLBACK");
    expect(await log.streamVersion("quote-a")).toBe(1);
    expect(await append(log, 1)).toMatchObject({ ok: true });
  });

  test("positions have no gap after conflicts and failures", async () => {
    const log = await fixture.open();
    await append(log, 0);
    await append(log, 7);
    const writer = other();
    writer.exec("BEGIN IMMEDIATE; INSERT INTO records (stream, version, command_id, record) VALUES ('x', 1, 'x', '')");
    writer.exec("ROLLBACK");
    expect(await append(log, 1)).toEqual({ ok: true, position: 2, version: 2 });
  });

  test("is not healthy while another holds the lock, and is again half a second after", async () => {
    const clock = new TestingClock();
    const log = onClock(clock);
    expect(await log.health()).toEqual({ ok: true, detail: "" });
    const writer = other();
    writer.exec("BEGIN IMMEDIATE");
    await clock.advance(500);
    const asking = log.health();
    await clock.advance(400);
    expect(await asking).toMatchObject({ ok: false, detail: expect.stringContaining("database is locked") });
    writer.exec("ROLLBACK");
    await clock.advance(500);
    expect(await log.health()).toEqual({ ok: true, detail: "" });
  });

  test("is not healthy when the disk is nearly full", async () => {
    const log = onClock(new TestingClock(), { minFreeBytes: Number.MAX_SAFE_INTEGER });
    const health = await log.health();
    expect(health).toMatchObject({ ok: false, detail: expect.stringMatching(/\d+ bytes of disk are free/) });
  });

  test.each([
    ["a folder", () => mkdirSync(fixture.file)],
    [
      "no database",
      () => writeFileSync(fixture.file, "this is no database, and it is long enough to be read as one\n".repeat(20)),
    ],
  ])("is unavailable, with the reason, when the file is %s", async (_, spoil) => {
    spoil();
    const log = await fixture.open();
    expect(await log.health()).toMatchObject({ ok: false, detail: expect.stringContaining(fixture.file) });
    await expect(append(log, 0)).rejects.toThrow(LogUnavailable);
  });

  test("what health tries fails on a read-only file, where BEGIN IMMEDIATE alone would not", () => {
    setUpEventLog(other());
    const readOnly = new DatabaseSync(fixture.file, { readOnly: true });
    others.push(readOnly);
    const { begin, probe } = prepareEventLog(readOnly);
    begin.run();
    expect(() => probe.run()).toThrow("attempt to write a readonly database");
  });

  test("an append that SQLite refuses is unavailable, and the next one is taken", async () => {
    const log = await fixture.open();
    await append(log, 0);
    const db = other();
    db.exec("CREATE TRIGGER refusing BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'refused'); END");
    await expect(append(log, 1)).rejects.toThrow(new LogUnavailable(`event log ${fixture.file}: refused`));
    db.exec("DROP TRIGGER refusing");
    expect(await append(log, 1)).toMatchObject({ ok: true, version: 2 });
  });

  test("a log that was removed is unavailable and is not made anew", async () => {
    const log = await fixture.open();
    await append(log, 0);
    rmSync(fixture.file);
    await expect(append(log, 1)).rejects.toThrow(`event log ${fixture.file}: was removed while it was in use`);
    await expect(log.readAll(0, 10)).rejects.toThrow(LogUnavailable);
    expect(await log.health()).toMatchObject({ ok: false });
    expect(existsSync(fixture.file)).toBe(false);
  });

  test("a log that is moved away and back goes on, for appenders and followers", async () => {
    const log = await fixture.open();
    await append(log, 0);
    const end = new AbortController();
    const seen: string[] = [];
    const following = log.follow(
      0,
      10,
      async (records) => {
        seen.push(...records.map(({ record }) => record.commandId));
        if (seen.length === 1) {
          renameSync(fixture.file, `${fixture.file}.away`);
          await expect(append(log, 1)).rejects.toThrow(LogUnavailable);
          setImmediate(() => renameSync(`${fixture.file}.away`, fixture.file));
        }
        if (seen.length === 2) end.abort();
      },
      end.signal,
    );
    await expect.poll(() => append(log, 1).catch(() => undefined), { interval: 5 }).toMatchObject({ ok: true });
    await following;
    expect(seen).toEqual(["c0", "c1"]);
  });

  test("a log that was replaced by a copy is opened again", async () => {
    const log = await fixture.open();
    await append(log, 0);
    await log.close();
    copyFileSync(fixture.file, `${fixture.file}.copy`);
    const reopened = await fixture.open();
    await append(reopened, 1);
    for (const suffix of ["-wal", "-shm"]) rmSync(fixture.file + suffix, { force: true });
    renameSync(`${fixture.file}.copy`, fixture.file);
    expect(await reopened.streamVersion("quote-a")).toBe(1);
  });
});
