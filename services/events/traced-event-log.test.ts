import { create } from "@bufbuild/protobuf";
import { SpanStatusCode } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { QuoteLikedSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import { eventLogSuite } from "./event-log.suite.ts";
import { recordOf } from "./testing/records.ts";
import { recordSpans } from "./testing/span-recorder.ts";
import { sqliteLogFixture } from "./testing/sqlite-log-fixture.ts";
import { tracedEventLog } from "./traced-event-log.ts";

eventLogSuite("SQLite, traced", async () => {
  const fixture = await sqliteLogFixture();
  return { ...fixture, open: async () => tracedEventLog(await fixture.open()) };
});

describe("a traced append", () => {
  let recorder: ReturnType<typeof recordSpans>;
  beforeEach(() => {
    recorder = recordSpans();
  });
  afterEach(() => recorder.restore());

  test("is a PRODUCER span below the record's command, ended with the outcome", async () => {
    const fixture = await sqliteLogFixture();
    const log = tracedEventLog(await fixture.open());
    const record = recordOf("c1", create(QuoteLikedSchema, { quoteId: "q1" }));
    await log.append("quote-a", 0, record);
    await log.append("quote-a", 0, record);
    await fixture.remove();
    await expect(log.append("quote-a", 1, record)).rejects.toThrow();
    const common = {
      name: "append quote",
      kind: "PRODUCER",
      traceId: "0af7651916cd43dd8448eb211c80319c",
      parentSpanId: "b7ad6b7169203331",
      isEnded: true,
    };
    expect(recorder.spans).toMatchObject([
      {
        ...common,
        attributes: { "ferry.stream": "quote-a", "ferry.events": 1, "ferry.position": 1 },
        status: undefined,
      },
      { ...common, attributes: { "ferry.conflict": 1 }, status: undefined },
      { ...common, status: { code: SpanStatusCode.ERROR, message: expect.stringContaining("was closed") } },
    ]);
  });
});
