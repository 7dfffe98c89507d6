// Reads of parts of an aggregate on a real nats-server: whatever is known beforehand of where its versions are.

import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../../e2e/testing/nats-server.ts";
import { QuoteLikedSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import { jetStreamLogFixture } from "../testing/nats-fixture.ts";
import { recordOf } from "../testing/records.ts";

const like = create(QuoteLikedSchema, { quoteId: "q1" });
const RECORDS = 40;

let server: NatsServer;
let fixture: Awaited<ReturnType<typeof jetStreamLogFixture>>;
beforeAll(async () => {
  server = await startNats();
  fixture = await jetStreamLogFixture(server);
  const log = await fixture.open();
  for (let version = 0; version < RECORDS; version++) {
    await log.append("quote-a", version, recordOf(`a${version + 1}`, like));
    await log.append("quote-b", version, recordOf(`b${version + 1}`, like));
  }
});
afterAll(async () => {
  await fixture?.remove();
  await server?.remove();
});

const versions = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `a${from + i}`);

test.each([
  [1, undefined, versions(1, 40)],
  [1, 3, versions(1, 3)],
  [20, 15, versions(20, 34)],
  [38, undefined, versions(38, 40)],
  [40, undefined, versions(40, 40)],
  [41, undefined, []],
  [5, 0, []],
])("from version %d, at most %s", async (from, limit, expected) => {
  const fresh = await fixture.open();
  for (let repeat = 0; repeat < 2; repeat++) {
    const records = await fresh.readStream("quote-a", from, limit);
    expect(records.map(({ record }) => record.commandId)).toEqual(expected);
    expect(records.map(({ version }) => version)).toEqual(expected.map((_, i) => from + i));
  }
});

test("page by page", async () => {
  const fresh = await fixture.open();
  const all: string[] = [];
  for (let from = 1; from <= RECORDS; from += 9) {
    all.push(...(await fresh.readStream("quote-a", from, 9)).map(({ record }) => record.commandId));
  }
  expect(all).toEqual(versions(1, RECORDS));
});

test("a reader that knows an earlier end reads on from there", async () => {
  const [reader, writer] = [await fixture.open(), await fixture.open()];
  for (const added of [1, 2, 12]) {
    const before = await reader.streamVersion("quote-c");
    for (let version = before; version < before + added; version++) {
      await writer.append("quote-c", version, recordOf(`c${version + 1}`, like));
    }
    const result = await reader.append("quote-c", before, recordOf("late", like));
    expect(result).toEqual({ ok: false, conflict: { actualVersion: before + added } });
    const news = await reader.readStream("quote-c", before + 1);
    expect(news.map(({ version }) => version)).toEqual(Array.from({ length: added }, (_, i) => before + 1 + i));
  }
});
