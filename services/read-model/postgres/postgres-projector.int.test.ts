// The projector as a process that writes a real Postgres: who may write, and both of them killed under load. Takes
// seconds, as it starts and kills servers and processes.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresServer } from "../../../e2e/testing/postgres-server.ts";
import { QuoteSubmittedSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import type { EventLog } from "../../events/event-log.ts";
import { openEventLog } from "../../events/open-event-log.ts";
import { recordOf } from "../../events/testing/records.ts";
import { MainProcess } from "../../kit/testing/main-process.ts";
import { appendLoad } from "../../quote-projector/testing/append-load.ts";
import { openReadModel } from "../open-read-model.ts";
import type { ReadModelReader } from "../read-model.ts";
import { ReadModelUnavailable } from "../read-model-store.ts";

const quotes = ["a", "b", "c", "d", "e"];

describe("the projector on Postgres", () => {
  let server: PostgresServer;
  let home: string;
  let databaseUrl: string;
  let log: EventLog;
  let reader: ReadModelReader;
  const started: MainProcess[] = [];

  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server?.remove());
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "ferry-projector-"));
    databaseUrl = await server.createDatabase();
    log = await openEventLog({ events: "sqlite", home });
    reader = await (await openReadModel({ readModel: "postgres", home, databaseUrl, version: "v2" })).openReader();
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((projector) => projector.stop("SIGKILL")));
    await Promise.all([log.close(), reader.close()]);
    rmSync(home, { recursive: true, force: true });
  });

  function start(env: NodeJS.ProcessEnv = {}, ...words: readonly string[]): MainProcess {
    const common = { FERRY_HOME: home, FERRY_VERSION: "v2", FERRY_READ_MODEL: "postgres", DATABASE_URL: databaseUrl };
    const projector = new MainProcess("quote-projector", { ...common, ...env }, ...words);
    started.push(projector);
    return projector;
  }

  async function submitAll(): Promise<void> {
    for (const quoteId of quotes) {
      const record = recordOf(`s-${quoteId}`, create(QuoteSubmittedSchema, { quoteId, text: "t", author: "a" }));
      await log.append(`quote-${quoteId}`, 0, record);
    }
  }
  const position = async () => (await reader.state()).position;
  const reaches = (wanted: number) =>
    expect.poll(() => position().catch(() => 0), { interval: 5, timeout: 25_000 }).toBe(wanted);
  const passes = (before: number) =>
    expect.poll(() => position().catch(() => 0), { interval: 1, timeout: 25_000 }).toBeGreaterThan(before);

  /** Every record of the load is a like, or 3 views, of one of the quotes in turn. */
  async function expectExactSums(records: number): Promise<void> {
    await reaches(await log.head());
    const rows = await reader.newest(10, undefined);
    expect(rows.map(({ views }) => views)).toEqual(quotes.map(() => (3 * records) / 2 / quotes.length));
    expect(rows.map(({ likes }) => likes)).toEqual(quotes.map(() => records / 2 / quotes.length));
  }

  test("is ready when it follows, and ends with 0 at SIGTERM", async () => {
    await submitAll();
    const projector = start();
    expect(await projector.ready()).toEqual({ event: "ready", model: "quotes-v2", position: 0, pid: projector.pid });
    await reaches(5);
    expect(await projector.stop("SIGTERM")).toBe(0);
    const next = start();
    expect(await next.ready()).toMatchObject({ position: 5 });
    expect(await next.stop("SIGINT")).toBe(0);
    expect(projector.stderr + next.stderr).toBe("");
  });

  test("one sentence and code 1: a model that has a writer, no address", async () => {
    const first = start();
    await first.ready();
    const second = start();
    const unset = start({ DATABASE_URL: "" });
    expect(await Promise.all([second, unset].map((projector) => projector.end()))).toEqual([1, 1]);
    const sentence = `quote-projector: read model quotes-v2: process ${first.pid} writes it already`;
    expect(second.stderr).toBe(`${sentence}, and there can be only one writer\n`);
    expect(unset.stderr).toMatch(/^quote-projector: DATABASE_URL is not set: .*\n$/);
  });

  test("kill -9 of the projector in the middle of work, again and again: every sum is exact", async () => {
    await submitAll();
    let isKilling = true;
    const appending = appendLoad(log, quotes, () => isKilling);
    let projector = start();
    for (let kill = 0; kill < 6; kill++) {
      await projector.ready();
      await passes(await position());
      expect(await projector.stop("SIGKILL")).toBe("SIGKILL");
      projector = start();
    }
    isKilling = false;
    await expectExactSums(await appending);
    expect(await projector.stop("SIGTERM")).toBe(0);
  }, 90_000);

  test("the server killed and restarted under load: reads say so, all resumes by itself, sums are exact", async () => {
    await submitAll();
    let isKilling = true;
    const appending = appendLoad(log, quotes, () => isKilling);
    const projector = start();
    await projector.ready();
    const watching = new AbortController();
    let heard = 0;
    reader.onChange(() => heard++, watching.signal);
    for (const signal of ["SIGKILL", "SIGINT", "SIGKILL"] as const) {
      await passes(await position());
      await server.stop(signal);
      await expect(reader.state()).rejects.toThrow(ReadModelUnavailable);
      await expect(reader.state()).rejects.toThrow(`on postgres 127.0.0.1:${server.port}/`);
      await server.restart();
      const before = heard;
      await passes(0);
      await expect.poll(() => heard, { interval: 5, timeout: 10_000 }).toBeGreaterThan(before);
    }
    isKilling = false;
    await expectExactSums(await appending);
    watching.abort();
    // Said by the next heartbeat.
    await expect.poll(() => projector.stderr, { timeout: 5000 }).toContain("going on");
    const second = start();
    expect(await second.end()).toBe(1);
    expect(second.stderr).toContain(`process ${projector.pid} writes it already`);
    expect(await projector.stop("SIGTERM")).toBe(0);
  }, 90_000);

  test("--rebuild under load builds the same model beside the one that serves", async () => {
    await submitAll();
    await appendLoad(log, quotes, (appended) => appended < 2000);
    const first = start();
    await reaches(await log.head());
    await first.stop("SIGKILL");
    const before = await reader.newest(10, undefined);
    const rebuilding = start({}, "--rebuild");
    await expect.poll(() => rebuilding.stderr, { interval: 5, timeout: 20_000 }).toContain("the rebuilt model serves");
    expect(await reader.newest(10, undefined)).toEqual(before);
    expect(await rebuilding.stop("SIGTERM")).toBe(0);
  }, 60_000);
});
