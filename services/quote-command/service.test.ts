// The command service as its callers meet it: a real client on loopback, SQLite in a folder of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { jsonLog } from "../../common/json-log.ts";
import { systemRandom } from "../../common/random.ts";
import { QuoteCommandService } from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { decodeRecord } from "../events/codec.ts";
import { type EventLog, LogUnavailable } from "../events/event-log.ts";
import { openEventLog } from "../events/open-event-log.ts";
import { serve } from "../kit/serve.ts";
import { testClient } from "../kit/testing/grpc-client.ts";
import { quoteIdOf, quoteStream } from "./quote-id.ts";
import { commandSide } from "./service.ts";

const { submitQuote, likeQuote, retractQuote, recordViews } = QuoteCommandService.method;
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function openLog(): Promise<EventLog> {
  const home = await mkdtemp(join(tmpdir(), "ferry-command-"));
  const log = await openEventLog({ events: "sqlite", home });
  cleanUps.push(
    () => rm(home, { recursive: true }),
    () => log.close(),
  );
  return log;
}

/** An instance over `log`; several may share one. */
async function start(log: EventLog) {
  const { service, health } = commandSide({ log, clock: systemClock, random: systemRandom });
  const serving = await serve({
    listen: { host: "127.0.0.1", port: 0 },
    services: [service],
    health,
    headers: {},
    log: jsonLog("test", "error"),
    tracing: undefined,
    drainGraceMs: 1000,
  });
  const client = testClient(serving.port);
  cleanUps.push(
    () => serving.drain(),
    () => client.close(),
  );
  return { ...client, serving, health };
}

const text = "So it goes.";
const author = "Kurt Vonnegut";

describe("a command", () => {
  test("appends one record with its whole envelope", async () => {
    const log = await openLog();
    const client = await start(log);
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    const headers = { "x-request-id": "r-1", "x-correlation-id": "k-1", traceparent };
    const before = systemClock.wallMs();
    const reply = await client.unary(submitQuote, { commandId: "c-1", text, author }, { headers });
    expect(reply.message).toMatchObject({ quoteId: quoteIdOf("c-1"), position: "1" });
    const [logged] = await log.readAll(0, 10);
    expect(logged?.stream).toBe(quoteStream(quoteIdOf("c-1")));
    expect(logged?.record).toMatchObject({ commandId: "c-1", correlationId: "k-1", causationId: "r-1", traceparent });
    expect(logged?.record.events[0]).toMatchObject({ eventId: "c-1:0", schemaVersion: 1 });
    expect(logged && decodeRecord(logged.record)).toMatchObject([{ quoteId: quoteIdOf("c-1"), text, author }]);
    const recordedAtMs = Number(logged?.record.recordedAt?.seconds ?? 0) * 1000;
    expect(recordedAtMs).toBeGreaterThan(before - 1000);
  });

  test("that is repeated, also at another instance, gets the first answer and appends nothing", async () => {
    const log = await openLog();
    const [one, other] = [await start(log), await start(log)];
    const first = await one.unary(submitQuote, { commandId: "c-1", text, author });
    const quoteId = first.message?.quoteId ?? "";
    const like = await one.unary(likeQuote, { commandId: "l-1", quoteId });
    await one.unary(likeQuote, { commandId: "l-2", quoteId });
    const head = await log.head();
    for (const instance of [one, other]) {
      const again = await instance.unary(submitQuote, { commandId: "c-1", text: "something else", author });
      expect(again.message).toEqual(first.message);
      expect((await instance.unary(likeQuote, { commandId: "l-1", quoteId })).message).toEqual(like.message);
    }
    expect(await log.head()).toBe(head);
  });

  test("is known by its own id even after the quote was retracted", async () => {
    const client = await start(await openLog());
    const quoteId = (await client.unary(submitQuote, { commandId: "c-1", text, author })).message?.quoteId ?? "";
    const like = await client.unary(likeQuote, { commandId: "l-1", quoteId });
    const retract = await client.unary(retractQuote, { commandId: "r-1", quoteId, reason: "x" });
    expect((await client.unary(likeQuote, { commandId: "l-1", quoteId })).message).toEqual(like.message);
    expect((await client.unary(retractQuote, { commandId: "r-1", quoteId })).message).toEqual(retract.message);
    expect((await client.unary(likeQuote, { commandId: "l-2", quoteId })).code).toBe(status.FAILED_PRECONDITION);
    expect((await client.unary(retractQuote, { commandId: "r-2", quoteId })).code).toBe(status.FAILED_PRECONDITION);
  });

  test("may not use the id of another command on the same quote", async () => {
    const client = await start(await openLog());
    const quoteId = (await client.unary(submitQuote, { commandId: "c-1", text, author })).message?.quoteId ?? "";
    const reply = await client.unary(likeQuote, { commandId: "c-1", quoteId });
    expect([reply.code, reply.details]).toEqual([status.ALREADY_EXISTS, expect.stringContaining("command_id c-1")]);
  });

  test("without an id is the same command for the same request id, and another for another", async () => {
    const log = await openLog();
    const client = await start(log);
    const submit = (headers: Record<string, string>) => client.unary(submitQuote, { text, author }, { headers });
    const first = await submit({ "x-request-id": "r-1" });
    expect(first.message?.quoteId).toBe(quoteIdOf("req-r-1"));
    expect((await submit({ "x-request-id": "r-1" })).message).toEqual(first.message);
    expect((await submit({ "x-request-id": "r 2" })).code).toBe(status.OK);
    expect((await submit({})).code).toBe(status.OK);
    expect((await submit({})).code).toBe(status.OK);
    expect(await log.head()).toBe(4);
  });

  test("on a quote that is not there is NOT_FOUND, whatever its id looks like", async () => {
    const client = await start(await openLog());
    for (const quoteId of [quoteIdOf("never"), "no such quote", "q.*.>"]) {
      expect((await client.unary(likeQuote, { quoteId })).code).toBe(status.NOT_FOUND);
      expect((await client.unary(retractQuote, { quoteId })).code).toBe(status.NOT_FOUND);
    }
  });

  test("that meets many others on one quote, from two instances, is neither lost nor doubled", async () => {
    const log = await openLog();
    const instances = [await start(log), await start(log)];
    const quoteId = (await instances[0]!.unary(submitQuote, { commandId: "c-1", text, author })).message?.quoteId ?? "";
    const likes = Array.from({ length: 60 }, (_, i) =>
      instances[i % 2]!.unary(likeQuote, { commandId: `l-${i}`, quoteId }),
    );
    const replies = await Promise.all(likes);
    expect(replies.map(({ code }) => code)).toEqual(likes.map(() => status.OK));
    expect(new Set(replies.map(({ message }) => message?.position)).size).toBe(60);
    expect(await log.streamVersion(quoteStream(quoteId))).toBe(61);
  });
});

describe("recording views", () => {
  const batch = (sequence: number, producerId = "p.1") => ({
    producerId,
    sequence: BigInt(sequence),
    views: [
      { quoteId: "qa", count: 2n },
      { quoteId: "qb", count: 3n },
    ],
  });

  test("appends each batch once; batches that come again are counted as duplicates", async () => {
    const log = await openLog();
    const client = await start(log);
    const first = await client.clientStream(recordViews, [batch(1), batch(2), batch(3)]);
    expect(first.message).toMatchObject({
      recordedBatches: 3n,
      duplicateBatches: 0n,
      recordedViews: 15n,
      lastSequence: 3n,
      position: "3",
    });
    const again = await client.clientStream(recordViews, [batch(2), batch(3), batch(4), batch(1)]);
    expect(again.message).toMatchObject({ recordedBatches: 1n, duplicateBatches: 3n, recordedViews: 5n });
    // The last batch was number 1: its place in the log, and the highest number of its producer.
    expect(again.message).toMatchObject({ lastSequence: 4n, position: "1" });
    expect(await log.head()).toBe(4);
  });

  test("refuses a gap with the number it expects, and keeps what came before", async () => {
    const log = await openLog();
    const client = await start(log);
    const reply = await client.clientStream(recordViews, [batch(1), batch(3), batch(4)]);
    expect([reply.code, reply.details]).toEqual([
      status.FAILED_PRECONDITION,
      "producer p.1: got batch 3, expected batch 2",
    ]);
    expect(await log.head()).toBe(1);
  });

  test("keeps producers apart, in one call or in many at once", async () => {
    const log = await openLog();
    const client = await start(log);
    const both = [batch(1, "a"), batch(1, "b"), batch(2, "a"), batch(2, "b")];
    const replies = await Promise.all([1, 2, 3].map(() => client.clientStream(recordViews, both)));
    const recorded = replies.reduce((sum, { message }) => sum + (message?.recordedBatches ?? 0n), 0n);
    expect(recorded).toBe(4n);
    expect(await log.head()).toBe(4);
  });

  test("of nothing answers with zeros", async () => {
    const reply = await (await start(await openLog())).clientStream(recordViews, []);
    expect(reply.message).toMatchObject({ recordedBatches: 0n, lastSequence: 0n, position: "" });
  });
});

describe("while the log is away", () => {
  test("commands are UNAVAILABLE, at once after health has found it out, and go on when it is back", async () => {
    const log = await openLog();
    let appends = 0;
    let isAway = true;
    const flaky: EventLog = {
      append(...args) {
        appends++;
        return isAway ? Promise.reject(new LogUnavailable("disk full")) : log.append(...args);
      },
      readStream: (...args) => log.readStream(...args),
      streamVersion: (...args) => log.streamVersion(...args),
      readAll: (...args) => log.readAll(...args),
      head: () => log.head(),
      follow: (...args) => log.follow(...args),
      health: async () => ({ ok: !isAway, detail: isAway ? "disk full" : "" }),
      close: async () => {},
    };
    isAway = false;
    const client = await start(flaky);
    isAway = true;
    const submit = () => client.unary(submitQuote, { commandId: "c-1", text, author });
    const first = await submit();
    expect([first.code, first.details]).toEqual([status.UNAVAILABLE, expect.stringContaining("disk full")]);
    expect(appends).toBe(1);
    await client.health();
    expect((await submit()).code).toBe(status.UNAVAILABLE);
    expect(appends).toBe(1);
    isAway = false;
    await client.health();
    expect((await submit()).code).toBe(status.OK);
  });
});

test("a drain ends a stream of views that its caller keeps open", async () => {
  const log = await openLog();
  const client = await start(log);
  const call = client.openClientStream(recordViews);
  call.write({ producerId: "p", sequence: 1n, views: [{ quoteId: "q", count: 1n }] });
  while ((await log.head()) === 0) await new Promise((resolve) => setImmediate(resolve));
  await client.serving.drain();
  expect(await call.reply).toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining("go on from batch 2"),
  });
});
