// The projector on a real log and real models, in this process; processes are in main.test.ts.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { type JsonLog, jsonLog } from "../../common/json-log.ts";
import { QuoteLikedSchema, QuoteSubmittedSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import { type EventLog, LogUnavailable } from "../events/event-log.ts";
import { openEventLog } from "../events/open-event-log.ts";
import { recordOf } from "../events/testing/records.ts";
import { tracedEventLog } from "../events/traced-event-log.ts";
import { openReadModel } from "../read-model/open-read-model.ts";
import type { ReadModelReader } from "../read-model/read-model.ts";
import { type ReadModelStore, ReadModelUnavailable } from "../read-model/read-model-store.ts";
import { type ProjectorOptions, startProjector } from "./projector.ts";

describe("the projector", () => {
  let home: string;
  let log: EventLog;
  let store: ReadModelStore;
  let reader: ReadModelReader;
  let lines: string[];
  let end: AbortController;
  const ends: Promise<unknown>[] = [];

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "ferry-projector-"));
    log = await openEventLog({ events: "sqlite", home });
    store = await openReadModel({ readModel: "sqlite", home, version: "v2" });
    reader = await store.openReader();
    lines = [];
    end = new AbortController();
  });
  afterEach(async () => {
    end.abort();
    await Promise.allSettled(ends.splice(0));
    await Promise.all([log.close(), reader.close()]);
    rmSync(home, { recursive: true, force: true });
  });

  async function start(changes: Partial<ProjectorOptions> = {}) {
    const testLog: JsonLog = jsonLog("test", "info", (line) => void lines.push(line));
    const options = { store, log, clock: systemClock, jsonLog: testLog, rebuild: false, ...changes };
    const started = await startProjector(options, end.signal);
    started.ended.catch(() => {});
    ends.push(started.ended);
    return started;
  }

  const submit = (quoteId: string) =>
    log.append(
      `quote-${quoteId}`,
      0,
      recordOf(`s-${quoteId}`, create(QuoteSubmittedSchema, { quoteId, text: "t", author: "a" })),
    );
  const like = (quoteId: string, version: number) =>
    log.append(`quote-${quoteId}`, version, recordOf(`l-${quoteId}-${version}`, create(QuoteLikedSchema, { quoteId })));
  const reaches = (position: number) =>
    expect.poll(async () => (await reader.state()).position, { interval: 2 }).toBe(position);

  test("brings what is in the log and what comes into the model, and says when it has caught up", async () => {
    await submit("a");
    await start();
    await reaches(1);
    await submit("b");
    await like("b", 1);
    await reaches(3);
    expect(await reader.newest(10, undefined)).toMatchObject([
      { quoteId: "b", likes: 1 },
      { quoteId: "a", likes: 0 },
    ]);
    await expect.poll(async () => (await reader.state()).caughtUpAtMs).toBeGreaterThan(0);
  });

  test("an empty log is caught up at once", async () => {
    await start();
    await expect.poll(async () => (await reader.state()).caughtUpAtMs, { interval: 2 }).toBeGreaterThan(0);
  });

  test("goes on where the one before ended", async () => {
    await submit("a");
    await start();
    await reaches(1);
    end.abort();
    await Promise.all(ends);
    end = new AbortController();
    await submit("b");
    expect((await start()).position).toBe(1);
    await reaches(2);
    expect(await reader.newest(10, undefined)).toHaveLength(2);
  });

  test("a second one for the same model refuses to start, naming the first", async () => {
    await start();
    await expect(start()).rejects.toThrow(
      `read model quotes-v2: process ${process.pid} writes it already, and there can be only one writer`,
    );
  });

  test("gives the right to write back when it ends or cannot start", async () => {
    await start();
    end.abort();
    await Promise.all(ends);
    end = new AbortController();
    writeFileSync(join(home, "read-models", "quotes-v2.1.db"), "spoilt ".repeat(200));
    await expect(start()).rejects.toThrow(/quotes-v2\.1\.db: file is not a database; --rebuild makes it anew/);
    await submit("a");
    await start({ rebuild: true });
    await reaches(1);
  });

  test("a batch that cannot be written is tried again until it can, and is complained about once", async () => {
    await submit("a");
    let refusals = 3;
    const refusing: ReadModelStore = {
      name: store.name,
      lock: () => store.lock(),
      beginRebuild: () => store.beginRebuild(),
      openReader: () => store.openReader(),
      openWriter: async () => {
        const writer = await store.openWriter();
        const apply: typeof writer.apply = async (...batch) => {
          if (refusals-- > 0) throw new ReadModelUnavailable("read model: no room");
          return writer.apply(...batch);
        };
        return { checkpoint: () => writer.checkpoint(), apply, heartbeat: async () => {}, close: () => writer.close() };
      },
    };
    await start({ store: refusing });
    await reaches(1);
    expect(lines.filter((line) => line.includes("no room"))).toHaveLength(1);
  });

  test("a log that is away leaves the model as it is, and is followed again when it is back", async () => {
    await submit("a");
    let isAway = false;
    const away = () => (isAway ? Promise.reject(new LogUnavailable("event log: away")) : undefined);
    // The traced log hands everything on to another; here it does so to be changed.
    const leaving: EventLog = { ...tracedEventLog(log), head: async () => (await away()) ?? log.head() };
    await start({ log: leaving });
    await reaches(1);
    isAway = true;
    await expect.poll(() => lines.join(""), { timeout: 5000 }).toContain("event log: away");
    expect(await reader.newest(10, undefined)).toHaveLength(1);
    isAway = false;
    await submit("b");
    await reaches(2);
    await expect.poll(() => lines.join(""), { timeout: 5000 }).toContain("going on");
  });

  test("a log that is shorter than the model is another log, and that is fatal", async () => {
    await submit("a");
    await submit("b");
    await start();
    await reaches(2);
    end.abort();
    await Promise.all(ends);
    end = new AbortController();
    const other = await openEventLog({ events: "sqlite", home: join(home, "other") });
    const { ended } = await start({ log: other });
    await expect(ended).rejects.toThrow(
      "read model quotes-v2: holds position 2, but the event log ends at 0: it is another log; start the projector with --rebuild",
    );
    await other.close();
  });

  test("a rebuild serves the old model until the new one has all of it, then the new one, which goes on", async () => {
    for (const quoteId of ["a", "b", "c"]) await submit(quoteId);
    await start();
    await reaches(3);
    end.abort();
    await Promise.all(ends);
    end = new AbortController();
    const positions = new Set<number>();
    const watching = new AbortController();
    reader.onChange(() => void reader.state().then(({ position }) => positions.add(position)), watching.signal);
    expect((await start({ rebuild: true })).position).toBe(3);
    await submit("d");
    await expect.poll(() => lines.join(""), { interval: 2 }).toContain("the rebuilt model serves");
    await submit("e");
    await reaches(5);
    watching.abort();
    expect(await reader.newest(10, undefined)).toHaveLength(5);
    expect(Math.min(...positions)).toBeGreaterThanOrEqual(3);
    expect(readdirSync(join(home, "read-models")).filter((file) => /\.\d+\.db$/.test(file))).toEqual([
      "quotes-v2.2.db",
    ]);
  });

  test("a rebuild from another log that is shorter takes over as well", async () => {
    for (const quoteId of ["a", "b", "c"]) await submit(quoteId);
    await start();
    await reaches(3);
    end.abort();
    await Promise.all(ends);
    end = new AbortController();
    const other = await openEventLog({ events: "sqlite", home: join(home, "other") });
    await start({ log: other, rebuild: true });
    await expect.poll(() => lines.join(""), { interval: 2, timeout: 5000 }).toContain("the rebuilt model serves");
    await expect.poll(() => reader.newest(10, undefined), { interval: 2 }).toEqual([]);
    end.abort();
    await Promise.all(ends);
    await other.close();
  });

  test("a rebuild that is stopped leaves the old model in service", async () => {
    await submit("a");
    await start();
    await reaches(1);
    end.abort();
    await Promise.all(ends);
    end = new AbortController();
    const { ended } = await start({ rebuild: true });
    end.abort();
    await ended;
    expect(await reader.newest(10, undefined)).toHaveLength(1);
    end = new AbortController();
    await start();
    await submit("b");
    await reaches(2);
  });
});
