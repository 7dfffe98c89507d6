// The projector as processes: its ready line, its refusals, its end, and kill -9 in the middle of work. Takes seconds,
// as it starts some fifteen processes.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { QuoteSubmittedSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import type { EventLog } from "../events/event-log.ts";
import { openEventLog } from "../events/open-event-log.ts";
import { recordOf } from "../events/testing/records.ts";
import { MainProcess } from "../kit/testing/main-process.ts";
import { openReadModel } from "../read-model/open-read-model.ts";
import type { ReadModelReader } from "../read-model/read-model.ts";
import { appendLoad } from "./testing/append-load.ts";

describe("the projector's process", () => {
  let home: string;
  let log: EventLog;
  let reader: ReadModelReader;
  const started: MainProcess[] = [];

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "ferry-projector-"));
    log = await openEventLog({ events: "sqlite", home });
    reader = await (await openReadModel({ readModel: "sqlite", home, version: "v2" })).openReader();
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((projector) => projector.stop("SIGKILL")));
    await Promise.all([log.close(), reader.close()]);
    rmSync(home, { recursive: true, force: true });
  });

  function start(env: NodeJS.ProcessEnv = {}, ...words: readonly string[]): MainProcess {
    const projector = new MainProcess("quote-projector", { FERRY_HOME: home, FERRY_VERSION: "v2", ...env }, ...words);
    started.push(projector);
    return projector;
  }

  const submit = (quoteId: string) => {
    const record = recordOf(`s-${quoteId}`, create(QuoteSubmittedSchema, { quoteId, text: "t", author: "a" }));
    return log.append(`quote-${quoteId}`, 0, record);
  };
  const reaches = (position: number) =>
    expect.poll(async () => (await reader.state()).position, { interval: 5, timeout: 20_000 }).toBe(position);

  test("is ready when it follows, and ends with 0 at SIGTERM and at SIGINT", async () => {
    await submit("a");
    const projector = start();
    expect(await projector.ready()).toEqual({ event: "ready", model: "quotes-v2", position: 0, pid: projector.pid });
    await reaches(1);
    expect(await projector.stop("SIGTERM")).toBe(0);
    const next = start();
    expect(await next.ready()).toMatchObject({ position: 1 });
    expect(await next.stop("SIGINT")).toBe(0);
    expect(projector.stderr + next.stderr).toBe("");
  }, 20_000);

  test("one sentence and code 1: wrong settings, wrong arguments, a model that has a writer", async () => {
    const first = start();
    await first.ready();
    const second = start();
    const unset = start({ FERRY_VERSION: "v3", FERRY_VERSOIN: "v1" });
    const unknown = start({}, "--rebiuld");
    expect(await Promise.all([second, unset, unknown].map((projector) => projector.end()))).toEqual([1, 1, 1]);
    const sentence = `quote-projector: read model quotes-v2: process ${first.pid} writes it already`;
    expect(second.stderr).toBe(`${sentence}, and there can be only one writer\n`);
    expect(unset.stderr).toBe(
      'quote-projector: FERRY_VERSION="v3": expected one of v1, v2; ' +
        'FERRY_VERSOIN="v1": no such setting; did you mean FERRY_VERSION?\n',
    );
    expect(unknown.stderr).toBe("quote-projector: unknown argument --rebiuld: expected nothing or --rebuild\n");
  }, 20_000);

  test("kill -9 in the middle of work, again and again: every sum is exact", async () => {
    const quotes = ["a", "b", "c", "d", "e"];
    for (const quoteId of quotes) await submit(quoteId);
    let isKilling = true;
    const appending = appendLoad(log, quotes, () => isKilling);
    let projector = start();
    for (let kill = 0; kill < 6; kill++) {
      await projector.ready();
      const before = (await reader.state()).position;
      await expect
        .poll(async () => (await reader.state()).position, { interval: 1, timeout: 10_000 })
        .toBeGreaterThan(before);
      expect(await projector.stop("SIGKILL")).toBe("SIGKILL");
      projector = start();
    }
    isKilling = false;
    const total = await appending;
    await reaches(await log.head());
    const rows = await reader.newest(10, undefined);
    expect(rows.map(({ views }) => views).reverse()).toEqual(quotes.map(() => (3 * total) / 2 / quotes.length));
    expect(rows.map(({ likes }) => likes).reverse()).toEqual(quotes.map(() => total / 2 / quotes.length));
    expect(await projector.stop("SIGTERM")).toBe(0);
  }, 60_000);

  test("--rebuild, killed before it is through, leaves the old model; then it builds the same one again", async () => {
    const quotes = ["a", "b", "c", "d", "e"];
    for (const quoteId of quotes) await submit(quoteId);
    await appendLoad(log, quotes, (appended) => appended < 3000);
    const first = start();
    await reaches(await log.head());
    await first.stop("SIGKILL");
    const before = await reader.newest(10, undefined);
    const killed = start({}, "--rebuild");
    await killed.ready();
    await killed.stop("SIGKILL");
    expect(await reader.newest(10, undefined)).toEqual(before);
    const rebuilding = start({ FERRY_REBUILD: "1" });
    await expect.poll(() => rebuilding.stderr, { interval: 5, timeout: 20_000 }).toContain("the rebuilt model serves");
    await submit("f");
    await reaches(await log.head());
    const after = await reader.newest(10, undefined);
    expect(after.slice(1)).toEqual(before);
    expect(await rebuilding.stop("SIGTERM")).toBe(0);
  }, 40_000);
});
