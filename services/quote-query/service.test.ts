// Both versions of the query service as callers meet them: a real client on loopback, a model that the test changes.

import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { jsonLog } from "../../common/json-log.ts";
import { ReadModelService } from "../../gen/ferry/admin/v1/read_model_service_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { QuoteQueryService as V1 } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { Ranking, QuoteQueryService as V2 } from "../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { serve } from "../kit/serve.ts";
import { testClient } from "../kit/testing/grpc-client.ts";
import { ReadModelUnavailable } from "../read-model/read-model-store.ts";
import { querySide } from "./query-side.ts";
import { MemoryReader } from "./testing/memory-reader.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function start(version: "v1" | "v2", reader = caughtUp()) {
  const end = new AbortController();
  const { services, health } = querySide({
    version,
    reader,
    clock: systemClock,
    random: () => 0.5,
    signal: end.signal,
  });
  const serving = await serve({
    listen: { host: "127.0.0.1", port: 0 },
    services,
    health,
    headers: { "x-quoter-version": version },
    log: jsonLog("test", "error"),
    tracing: undefined,
    drainGraceMs: 1000,
  });
  const client = testClient(serving.port);
  cleanUps.push(
    () => end.abort(),
    () => serving.drain(),
    () => client.close(),
  );
  return { reader, serving, client };
}

/** A model that holds everything now. */
function caughtUp(): MemoryReader {
  const reader = new MemoryReader();
  reader.change({ caughtUpAtMs: systemClock.wallMs() });
  return reader;
}

describe("a v1 instance", () => {
  test("serves v1 and not v2", async () => {
    const { reader, client } = await start("v1");
    reader.add(1);
    expect((await client.unary(V1.method.getQuote, { quoteId: "q1" })).message?.quote).toMatchObject({
      quoteId: "q1",
      text: "text 1",
      author: "a",
      submittedAt: { seconds: 0n, nanos: 1_000_000 },
    });
    expect((await client.unary(V2.method.getQuote, { quoteId: "q1" })).code).toBe(status.UNIMPLEMENTED);
  });

  test("answers NOT_FOUND for a quote that is not there, and for any quote when there is none", async () => {
    const { client } = await start("v1");
    expect((await client.unary(V1.method.getQuote, { quoteId: "q1" })).code).toBe(status.NOT_FOUND);
    expect((await client.unary(V1.method.getRandomQuote, {})).code).toBe(status.NOT_FOUND);
  });

  test("is healthy when its model has held everything once", async () => {
    const healthOf = async (reader: MemoryReader) => {
      const { client } = await start("v1", reader);
      return (await client.unary(Health.method.check, {})).message?.status;
    };
    expect(await healthOf(new MemoryReader())).toBe(2);
    expect(await healthOf(caughtUp())).toBe(1);
  });

  test("tells how far its model is", async () => {
    const reader = caughtUp();
    const { client } = await start("v1", reader);
    reader.change({ position: 3, head: 7, caughtUpAtMs: systemClock.wallMs() - 10_000 });
    const { message } = await client.unary(ReadModelService.method.getReadModel, {});
    expect(message).toMatchObject({ name: "quotes-v1", position: "3", head: "7" });
    expect(Number(message?.lagMs)).toBeGreaterThanOrEqual(10_000);
    expect(Number(message?.lagMs)).toBeLessThan(20_000);
  });
});

describe("a v2 instance", () => {
  test("serves both versions from one model", async () => {
    const { reader, client } = await start("v2");
    reader.add(1, { views: 5, likes: 2 });
    const { message } = await client.unary(V2.method.getQuote, { quoteId: "q1" });
    expect(message?.quote).toMatchObject({ quoteId: "q1", views: 5n, likes: 2n });
    expect((await client.unary(V1.method.getQuote, { quoteId: "q1" })).message?.quote?.quoteId).toBe("q1");
  });

  test("ranks by likes unless asked for views, and refuses a ranking that there is not", async () => {
    const { reader, client } = await start("v2");
    reader.add(1, { likes: 1, views: 9 });
    reader.add(2, { likes: 2, views: 8 });
    reader.add(3, { likes: 2, views: 9 });
    const top = async (ranking: Ranking, limit = 0) => {
      const reply = await client.unary(V2.method.topQuotes, { ranking, limit });
      return reply.message?.quotes.map(({ quoteId }) => quoteId) ?? reply.details;
    };
    expect(await top(Ranking.UNSPECIFIED)).toEqual(["q2", "q3", "q1"]);
    expect(await top(Ranking.VIEWS, 2)).toEqual(["q1", "q3"]);
    expect(await top(9 as Ranking)).toMatch(/^ranking: /);
  });
});

describe("a model that is being built", () => {
  test("makes queries UNAVAILABLE instead of saying that quotes are not there", async () => {
    const reader = new MemoryReader();
    const { client } = await start("v1", reader);
    reader.add(1);
    reader.change({ head: 9 });
    const reply = await client.unary(V1.method.getQuote, { quoteId: "q7" });
    expect([reply.code, reply.details]).toEqual([
      status.UNAVAILABLE,
      "the read model has not caught up yet: position 1 of 9",
    ]);
    const read = await client.unary(V1.method.getQuote, { quoteId: "q1", minPosition: "1" });
    expect(read.code).toBe(status.OK);
  });

  test("that cannot be read makes queries UNAVAILABLE with the reason", async () => {
    const reader = caughtUp();
    const { client } = await start("v1", reader);
    reader.failure = new ReadModelUnavailable("read model quotes-v1.db: disk I/O error");
    const reply = await client.unary(V1.method.getRandomQuote, { minPosition: "5" });
    expect([reply.code, reply.details]).toEqual([status.UNAVAILABLE, "read model quotes-v1.db: disk I/O error"]);
  });
});

describe("a list", () => {
  test("goes through all quotes, newest first, page by page, though new ones arrive meanwhile", async () => {
    const { reader, client } = await start("v1");
    for (let position = 1; position <= 7; position++) reader.add(position);
    const seen: (string | undefined)[] = [];
    let pageToken = "";
    do {
      const { message } = await client.unary(V1.method.listQuotes, { pageSize: 3, pageToken });
      seen.push(...(message?.quotes.map(({ quoteId }) => quoteId) ?? []));
      pageToken = message?.nextPageToken ?? "";
      reader.add(100 + seen.length);
    } while (pageToken !== "");
    expect(seen).toEqual(["q7", "q6", "q5", "q4", "q3", "q2", "q1"]);
  });

  test("has 50 quotes when no size is given, and no token when the page is the last, full or not", async () => {
    const { reader, client } = await start("v1");
    for (let position = 1; position <= 50; position++) reader.add(position);
    const { message } = await client.unary(V1.method.listQuotes, {});
    expect([message?.quotes.length, message?.nextPageToken]).toEqual([50, ""]);
  });

  test("refuses a token that is not ours and a size beyond 1,000", async () => {
    const { client } = await start("v1");
    const token = await client.unary(V1.method.listQuotes, { pageToken: "abc" });
    expect([token.code, token.details]).toEqual([status.INVALID_ARGUMENT, expect.stringMatching(/^page_token: /)]);
    const size = await client.unary(V1.method.listQuotes, { pageSize: 1001 });
    expect([size.code, size.details]).toEqual([status.INVALID_ARGUMENT, expect.stringMatching(/^page_size: /)]);
  });
});

describe("min_position", () => {
  test("makes a query wait until the model has it", async () => {
    const { reader, client } = await start("v1");
    const reply = client.unary(V1.method.getQuote, { quoteId: "q5", minPosition: "5" });
    await client.unary(V1.method.listQuotes, {});
    reader.add(5);
    expect((await reply).message?.quote?.quoteId).toBe("q5");
  });

  test("that does not come before the deadline is UNAVAILABLE with how far the model is", async () => {
    const { reader, client } = await start("v1");
    reader.add(3);
    const reply = await client.unary(V1.method.getRandomQuote, { minPosition: "4" }, { deadlineMs: 500 });
    expect(reply.code).toBe(status.UNAVAILABLE);
    expect(reply.details).toMatch(/^the read model is at position 3, not yet at 4; waited \d+ ms$/);
  });

  test("that no answer ever carried is refused by its field", async () => {
    const { client } = await start("v1");
    for (const minPosition of ["x", "-1", "1.5", "01", "9".repeat(20)]) {
      const reply = await client.unary(V1.method.getRandomQuote, { minPosition });
      expect([reply.code, reply.details]).toEqual([status.INVALID_ARGUMENT, expect.stringMatching(/^min_position: /)]);
    }
  });
});

describe("staleness", () => {
  test("is 0 while the projector lives, and grows when it does not", async () => {
    const reader = caughtUp();
    reader.add(1);
    const { client } = await start("v1", reader);
    const staleness = async () => {
      const reply = await client.unary(V1.method.getQuote, { quoteId: "q1" });
      return Number(reply.trailers["x-quoter-staleness-ms"]);
    };
    expect(await staleness()).toBe(0);
    reader.change({ caughtUpAtMs: systemClock.wallMs() - 60_000 });
    await client.unary(ReadModelService.method.getReadModel, {});
    expect(await staleness()).toBeGreaterThanOrEqual(60_000);
  });
});

describe("a watch", () => {
  test("from now shows each quote submitted after it began, in order, and nothing before", async () => {
    const { reader, client } = await start("v1");
    reader.add(1);
    const call = client.serverStream(V1.method.watchQuotes, {});
    call.on("error", () => {});
    await new Promise((resolve) => call.once("metadata", resolve));
    for (let position = 2; position <= 251; position++) reader.add(position);
    const seen: string[] = [];
    for await (const { position } of call) {
      seen.push(position);
      if (seen.length === 250) break;
    }
    call.cancel();
    expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => `${i + 2}`));
  });

  test("after a position shows what came since, then what comes", async () => {
    const { reader, client } = await start("v1");
    for (let position = 1; position <= 3; position++) reader.add(position);
    const call = client.serverStream(V1.method.watchQuotes, { afterPosition: "1" });
    call.on("error", () => {});
    const seen: string[] = [];
    for await (const { position, quote } of call) {
      seen.push(`${position} ${quote?.quoteId}`);
      if (position === "3") reader.add(4);
      if (position === "4") break;
    }
    call.cancel();
    expect(seen).toEqual(["2 q2", "3 q3", "4 q4"]);
  });

  test("after something that is no position is refused before it begins", async () => {
    const { client } = await start("v1");
    const call = client.serverStream(V1.method.watchQuotes, { afterPosition: "soon" });
    call.on("data", () => {});
    const error = await new Promise((resolve) => call.on("error", resolve));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringMatching(/^after_position: /) });
  });

  test("ends at a drain with the position to go on from", async () => {
    const { reader, serving, client } = await start("v1");
    const call = client.serverStream(V1.method.watchQuotes, { afterPosition: "0" });
    const error = new Promise((resolve) => call.on("error", resolve));
    const first = new Promise((resolve) => call.once("data", resolve));
    reader.add(8);
    await first;
    await serving.drain();
    expect(await error).toMatchObject({
      code: status.UNAVAILABLE,
      details: "the process is draining; call again with after_position 8",
    });
  });
});
