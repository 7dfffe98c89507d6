// The read model's suite on a real Postgres, and what can happen to its server, its schemas and its writers.

import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../common/clock.ts";
import { systemRandom } from "../../../common/random.ts";
import { PostgresServer } from "../../../e2e/testing/postgres-server.ts";
import { readModelSuite } from "../read-model.suite.ts";
import type { ReadModelVersion } from "../read-model.ts";
import { ReadModelUnavailable } from "../read-model-store.ts";
import { history, row } from "../testing/history.ts";
import { parseDatabaseUrl } from "./database-address.ts";
import { migrate, migrationsOf } from "./migrations.ts";
import { PostgresReadModelStore } from "./postgres-read-model-store.ts";
import { type PostgresModelFixture, postgresModelFixture } from "./testing/postgres-model-fixture.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 60_000);
afterAll(() => server?.remove());

readModelSuite("Postgres", (version: ReadModelVersion) => postgresModelFixture(server, version));

describe("a Postgres read model", () => {
  let fixture: PostgresModelFixture;
  beforeEach(async () => {
    fixture = await postgresModelFixture(server, "v2");
  });

  test("a reader without a model answers as from an empty one, and makes nothing", async () => {
    const reader = await fixture.store().openReader();
    const ended = new AbortController();
    let heard = 0;
    reader.onChange(() => heard++, ended.signal);
    expect(await reader.state()).toEqual({ name: "quotes-v2", position: 0, head: 0, caughtUpAtMs: 0 });
    expect(await reader.randomQuote(0.5)).toBeUndefined();
    expect(await reader.newest(10, undefined)).toEqual([]);
    expect(await reader.top("likes", 10)).toEqual([]);
    const schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'quotes%'";
    expect(await server.query(schemas, fixture.url)).toEqual([]);
    const writer = await fixture.store().openWriter();
    const before = heard;
    await writer.apply(history().submit("a").records, 10, 1);
    await expect.poll(() => heard, { interval: 2 }).toBeGreaterThan(before);
    expect(await reader.newest(10, undefined)).toHaveLength(1);
    ended.abort();
    await Promise.all([reader.close(), writer.close()]);
  });

  test("v1 and v2 share a database and touch each other in nothing", async () => {
    const other = await postgresModelFixture(server, "v1");
    const stores = [fixture.store(), Object.assign(other, { url: fixture.url }).store()];
    const events = history().submit("a").like("a");
    for (const store of stores) {
      const writer = await store.openWriter();
      await writer.apply(events.records, events.head, 1);
      await writer.close();
    }
    const rebuild = await fixture.store().beginRebuild();
    await rebuild.switchOver();
    await rebuild.writer.close();
    const readers = await Promise.all(stores.map((store) => store.openReader()));
    expect(await Promise.all(readers.map(async (reader) => (await reader.state()).position))).toEqual([0, 20]);
    await Promise.all(readers.map((reader) => reader.close()));
  });

  test("a role that may only read is enough for a reader, also after a rebuild", async () => {
    const store = fixture.store();
    await server.query(
      `CREATE ROLE only_reads LOGIN;
       ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO only_reads;
       ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO only_reads`,
      fixture.url,
    );
    const writer = await store.openWriter();
    await writer.apply(history().submit("a").records, 10, 1);
    const database = parseDatabaseUrl(fixture.url.replace("postgres@", "only_reads@"));
    const shared = { database, version: "v2", clock: systemClock, random: systemRandom } as const;
    const reader = await new PostgresReadModelStore(shared).openReader();
    expect(await reader.quote("a")).toEqual(row("a", 10));
    const rebuild = await store.beginRebuild();
    await rebuild.switchOver();
    expect(await reader.quote("a")).toBeUndefined();
    await Promise.all([reader.close(), writer.close(), rebuild.writer.close()]);
    await expect(new PostgresReadModelStore(shared).openWriter()).rejects.toThrow("permission denied for");
  });

  test("processes that start together migrate once", async () => {
    const writers = await Promise.all(Array.from({ length: 8 }, () => fixture.store().openWriter()));
    expect(await server.query("SELECT name FROM quotes_v2.migrations ORDER BY name", fixture.url)).toEqual(
      migrationsOf("v2").map(({ name }) => ({ name })),
    );
    expect(await Promise.all(writers.map((writer) => writer.checkpoint()))).toEqual(Array(8).fill(0));
    await Promise.all(writers.map((writer) => writer.close()));
  });

  test("a later migration is added to a model in service and keeps its rows", async () => {
    const writer = await fixture.store().openWriter();
    await writer.apply(history().submit("a").records, 10, 1);
    const later = { name: "0003-later.sql", sql: "ALTER TABLE quotes ADD COLUMN later text" };
    const migrations = [...migrationsOf("v2"), later];
    const client = new Client({ connectionString: fixture.url });
    await client.connect();
    const params = { schema: "quotes_v2", version: "v2", migrations, fromNothing: false } as const;
    expect(await migrate(client, params)).toEqual(["0003-later.sql"]);
    expect(await migrate(client, params)).toEqual([]);
    await client.end();
    await writer.apply(history().submit("a").submit("b").records, 20, 1);
    await expect(fixture.store().openWriter()).rejects.toThrow(
      "schema quotes_v2 has migration 0003-later.sql, which this release does not know: a newer one made it",
    );
    const reader = await fixture.store().openReader();
    expect(await reader.newest(10, undefined)).toEqual([row("b", 20), row("a", 10)]);
    await Promise.all([reader.close(), writer.close()]);
  });

  test("a migration that was changed after it was applied is refused, and a rebuild replaces the model", async () => {
    const writer = await fixture.store().openWriter();
    await writer.close();
    await server.query("UPDATE quotes_v2.migrations SET sha256 = 'x' WHERE name = '0001-quotes.sql'", fixture.url);
    const opening = fixture.store().openWriter();
    await expect(opening).rejects.toThrow(ReadModelUnavailable);
    await expect(opening).rejects.toThrow(
      /^read model quotes-v2 on postgres [0-9.:]+\/test_\d+: migration 0001-quotes\.sql was changed after schema /,
    );
    const rebuild = await fixture.store().beginRebuild();
    await rebuild.switchOver();
    await rebuild.writer.close();
    await (await fixture.store().openWriter()).close();
  });

  test("a rebuild switches under reads without a failed one, and leaves one schema", async () => {
    const store = fixture.store();
    const writer = await store.openWriter();
    const events = history().submit("a").submit("b");
    await writer.apply(events.records, events.head, 1);
    const reader = await store.openReader();
    let reads = 0;
    let isReading = true;
    const reading = Array.from({ length: 6 }, async () => {
      while (isReading) {
        expect(await reader.newest(10, undefined)).toEqual([row("b", 20), row("a", 10)]);
        reads++;
      }
    });
    for (let i = 0; i < 5; i++) {
      const rebuild = await store.beginRebuild();
      await rebuild.writer.apply(events.records, events.head, 1);
      await rebuild.switchOver();
      await rebuild.writer.close();
    }
    isReading = false;
    await Promise.all(reading);
    expect(reads).toBeGreaterThan(0);
    const schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'quotes%'";
    expect(await server.query(schemas, fixture.url)).toEqual([{ nspname: "quotes_v2" }]);
    await Promise.all([reader.close(), writer.close()]);
  });

  test("a server that lost confirmed commits ends the writer instead of leaving a gap", async () => {
    const writer = await fixture.store().openWriter();
    const events = history().submit("a").submit("b").submit("c");
    await writer.apply(events.records.slice(0, 2), 30, 1);
    await writer.checkpoint();
    await server.query("UPDATE quotes_v2.state SET position = 10", fixture.url);
    await expect(writer.apply(events.records.slice(2), 30, 1)).rejects.toThrow(
      "read model quotes-v2: is at position 10, but was written up to 20: the server has gone back",
    );
    await writer.close();
  });

  test("a schema that was dropped ends the writer, and the next one begins from nothing", async () => {
    const writer = await fixture.store().openWriter();
    await writer.apply(history().submit("a").records, 10, 1);
    await server.query("DROP SCHEMA quotes_v2 CASCADE", fixture.url);
    await expect(writer.heartbeat(10, 1)).rejects.toThrow(
      /^read model quotes-v2: schema quotes_v2 is gone; start the projector again and it makes the model anew /,
    );
    await writer.close();
    const next = await fixture.store().openWriter();
    expect(await next.checkpoint()).toBe(0);
    await next.close();
  });

  test("the right to write is taken again after its session was cut, unless another process was faster", async () => {
    const [first, second] = [fixture.store(), fixture.store()];
    const mine = await first.lock();
    const writer = await first.openWriter();
    const cut = () =>
      server.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ferry quotes-v2 lock%' AND datname = current_database()",
        fixture.url,
      );
    await cut();
    await expect
      .poll(() =>
        writer.heartbeat(0, 1).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    expect(await second.lock()).toEqual({ holder: `process ${process.pid}` });
    await cut();
    const theirs = await second.lock();
    expect(theirs).toHaveProperty("lock");
    await expect(writer.heartbeat(0, 1)).rejects.toThrow(
      `the connection that held the right to write was lost, and process ${process.pid} has it now`,
    );
    for (const taken of [mine, theirs]) if ("lock" in taken) await taken.lock.release();
    await writer.close();
  });

  test("a random quote, a page and the top are found by index, without a scan", async () => {
    const writer = await fixture.store().openWriter();
    const many = history();
    for (let i = 0; i < 3000; i++) many.submit(`q${i}`);
    await writer.apply(many.records, many.head, 1);
    await server.query("ANALYZE quotes_v2.quotes", fixture.url);
    const plan = async (sql: string) =>
      (await server.query(`EXPLAIN ${sql}`, fixture.url)).map((line) => String(line["QUERY PLAN"])).join("\n");
    const random = await plan(
      "SELECT * FROM quotes_v2.quotes WHERE slot = 1 + floor(0.3::float8 * (SELECT max(slot) FROM quotes_v2.quotes))::bigint",
    );
    expect(random).not.toContain("Seq Scan");
    expect(await plan("SELECT * FROM quotes_v2.quotes ORDER BY likes DESC, submitted_position LIMIT 5")).toContain(
      "Index Scan using by_likes",
    );
    expect(await plan("SELECT * FROM quotes_v2.quotes ORDER BY submitted_position DESC LIMIT 5")).toContain(
      "Index Scan Backward using by_submission",
    );
    await writer.close();
  });
});
