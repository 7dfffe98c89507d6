// The read model's suite on SQLite, and what can happen to its files.

import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readModelSuite } from "../read-model.suite.ts";
import { ReadModelUnavailable } from "../read-model-store.ts";
import { history } from "../testing/history.ts";
import { sqliteModelFixture } from "../testing/sqlite-model-fixture.ts";

readModelSuite("SQLite", sqliteModelFixture);

describe("the files of a SQLite read model", () => {
  let fixture: Awaited<ReturnType<typeof sqliteModelFixture>>;
  beforeEach(async () => {
    fixture = await sqliteModelFixture("v2");
  });
  afterEach(() => fixture.remove());

  test("a reader without a file answers as from an empty model, and makes no file", async () => {
    const reader = await fixture.store().openReader();
    const ended = new AbortController();
    let heard = 0;
    reader.onChange(() => heard++, ended.signal);
    expect(await reader.state()).toEqual({ name: "quotes-v2", position: 0, head: 0, caughtUpAtMs: 0 });
    expect(await reader.quote("a")).toBeUndefined();
    expect(await reader.randomQuote(0.5)).toBeUndefined();
    expect(await reader.newest(10, undefined)).toEqual([]);
    expect(await reader.top("likes", 10)).toEqual([]);
    expect(existsSync(fixture.folder)).toBe(false);
    const writer = await fixture.store().openWriter();
    await writer.apply(history().submit("a").records, 10, 1);
    await expect.poll(() => heard, { interval: 2 }).toBeGreaterThan(0);
    expect(await reader.newest(10, undefined)).toHaveLength(1);
    ended.abort();
    await Promise.all([reader.close(), writer.close()]);
  });

  test("a reader opens a model whose projector has ended", async () => {
    const writer = await fixture.store().openWriter();
    await writer.apply(history().submit("a").records, 10, 1);
    await writer.close();
    const reader = await fixture.store().openReader();
    expect(await reader.newest(10, undefined)).toHaveLength(1);
    await reader.close();
  });

  test("a file that is no model is unavailable to both, and a rebuild replaces it", async () => {
    const writer = await fixture.store().openWriter();
    await writer.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(join(fixture.folder, `quotes-v2.1.db${suffix}`), { force: true });
    writeFileSync(
      join(fixture.folder, "quotes-v2.1.db"),
      "no database, but long enough to be taken for one ".repeat(30),
    );
    const reader = await fixture.store().openReader();
    await expect(reader.state()).rejects.toThrow(ReadModelUnavailable);
    await expect(fixture.store().openWriter()).rejects.toThrow(/read model .*quotes-v2\.1\.db: file is not a database/);
    const rebuild = await fixture.store().beginRebuild();
    await rebuild.writer.apply(history().submit("a").records, 10, 1);
    await rebuild.switchOver();
    await expect.poll(() => reader.quote("a").catch(() => undefined), { interval: 2 }).toMatchObject({ quoteId: "a" });
    await Promise.all([reader.close(), rebuild.writer.close()]);
  });

  test("a model with tables of another release is refused", async () => {
    const writer = await fixture.store().openWriter();
    await writer.close();
    const db = new DatabaseSync(join(fixture.folder, "quotes-v2.db"));
    db.exec("PRAGMA user_version = 99");
    db.close();
    await expect(fixture.store().openWriter()).rejects.toThrow("was made by another release (schema 99, not 1)");
  });

  test("after a rebuild one generation is left, behind the link", async () => {
    const store = fixture.store();
    const writer = await store.openWriter();
    const rebuild = await store.beginRebuild();
    await writer.close();
    await rebuild.switchOver();
    await rebuild.writer.close();
    expect(readdirSync(fixture.folder).sort()).toEqual(["quotes-v2.2.db", "quotes-v2.db"]);
  });

  test("a random quote, a page and the top are found by index, without a scan", async () => {
    const writer = await fixture.store().openWriter();
    const db = new DatabaseSync(join(fixture.folder, "quotes-v2.db"));
    const plan = (sql: string) =>
      db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => String(detail))
        .join("; ");
    const random = plan("SELECT * FROM quotes WHERE slot = 1 + CAST(? * (SELECT max(slot) FROM quotes) AS INTEGER)");
    expect(random).toMatch(/SEARCH quotes USING INTEGER PRIMARY KEY \(rowid=\?\).*SEARCH quotes$/);
    expect(plan("SELECT * FROM quotes ORDER BY likes DESC, submitted_position LIMIT 5")).toBe(
      "SCAN quotes USING INDEX by_likes",
    );
    db.close();
    await writer.close();
  });
});
