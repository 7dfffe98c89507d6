// The query services over real SQLite models that their writers change meanwhile, as processes do: both versions.

import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { jsonLog } from "../../common/json-log.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { QuoteQueryService as V1 } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { QuoteQueryService as V2 } from "../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { serve } from "../kit/serve.ts";
import { testClient } from "../kit/testing/grpc-client.ts";
import type { ReadModelWriter } from "../read-model/read-model.ts";
import { type History, history } from "../read-model/testing/history.ts";
import { sqliteModelFixture } from "../read-model/testing/sqlite-model-fixture.ts";
import { querySide } from "./query-side.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** An instance of `version` with the writer of its model. */
async function start(version: "v1" | "v2") {
  const fixture = await sqliteModelFixture(version);
  const writer = await fixture.store().openWriter();
  const reader = await fixture.store().openReader();
  const end = new AbortController();
  const side = querySide({ version, reader, clock: systemClock, random: Math.random, signal: end.signal });
  const serving = await serve({
    listen: { host: "127.0.0.1", port: 0 },
    services: side.services,
    health: side.health,
    headers: {},
    log: jsonLog("test", "error"),
    tracing: undefined,
    drainGraceMs: 1000,
  });
  const client = testClient(serving.port);
  cleanUps.push(
    () => fixture.remove(),
    () => writer.close(),
    () => reader.close(),
    () => end.abort(),
    () => serving.drain(),
    () => client.close(),
  );
  return { client, writer };
}

const apply = (writer: ReadModelWriter, past: History, from = 0) =>
  writer.apply(past.records.slice(from), past.head, systemClock.wallMs());

test("both versions show one history, each what it knows of it", async () => {
  const past = history().submit("a").submit("b").like("b").views({ a: 3, b: 4 }).submit("c").retract("c");
  const [v1, v2] = [await start("v1"), await start("v2")];
  await apply(v1.writer, past);
  await apply(v2.writer, past);
  const minPosition = String(past.head);
  for (const { client } of [v1, v2]) {
    const { message, trailers } = await client.unary(V1.method.listQuotes, { minPosition });
    expect(message?.quotes.map(({ quoteId }) => quoteId)).toEqual(["b", "a"]);
    expect(trailers).toMatchObject({ "x-quoter-staleness-ms": "0" });
    expect((await client.unary(V1.method.getQuote, { quoteId: "c" })).code).toBe(5);
  }
  const top = await v2.client.unary(V2.method.topQuotes, { minPosition });
  expect(top.message?.quotes).toMatchObject([
    { quoteId: "b", views: 4n, likes: 1n },
    { quoteId: "a", views: 3n, likes: 0n },
  ]);
});

test("a query waits for its position, and a watch shows the quote as soon as it is applied", async () => {
  const past = history().submit("a");
  const { client, writer } = await start("v1");
  await apply(writer, past);
  const watch = client.serverStream(V1.method.watchQuotes, { afterPosition: "10" });
  watch.on("error", () => {});
  const watched = new Promise((resolve) => watch.once("data", resolve));
  const read = client.unary(V1.method.getQuote, { quoteId: "b", minPosition: "20" });
  await apply(writer, past.submit("b"), 1);
  expect((await read).message?.quote?.text).toBe("text of b");
  expect(await watched).toMatchObject({ quote: { quoteId: "b" }, position: "20" });
  watch.cancel();
});

test("health is pushed when the model has caught up for the first time", async () => {
  const { client, writer } = await start("v1");
  const watch = client.serverStream(Health.method.watch, {});
  watch.on("error", () => {});
  const seen: number[] = [];
  const serving = new Promise<void>((resolve) =>
    watch.on("data", ({ status }) => {
      seen.push(status);
      if (status === 1) resolve();
      else void apply(writer, history().submit("a"));
    }),
  );
  // Up to one second: the time between two looks.
  await serving;
  expect(seen).toEqual([2, 1]);
  watch.cancel();
});
