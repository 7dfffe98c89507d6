import { SpanStatusCode } from "@opentelemetry/api";
import { afterEach, beforeEach, expect, test } from "vitest";
import { recordSpans } from "../events/testing/span-recorder.ts";
import { history } from "../read-model/testing/history.ts";
import { projectSpans } from "./project-spans.ts";

let recorder: ReturnType<typeof recordSpans>;
beforeEach(() => {
  recorder = recordSpans();
});
afterEach(() => recorder.restore());

test("each projected record is a CONSUMER span below its command, ended with its batch", () => {
  const end = projectSpans("quotes-v1")(history().submit("a").like("a").records);
  expect(recorder.spans).toMatchObject([
    {
      name: "project quotes-v1",
      kind: "CONSUMER",
      traceId: "0af7651916cd43dd8448eb211c80319c",
      parentSpanId: "b7ad6b7169203331",
      attributes: { "ferry.position": 10, "ferry.command_id": "c10" },
      isEnded: false,
    },
    { name: "project quotes-v1", attributes: { "ferry.position": 20 } },
  ]);
  end();
  expect(recorder.spans.map(({ isEnded, status }) => ({ isEnded, status }))).toEqual(
    Array(2).fill({ isEnded: true, status: undefined }),
  );
});

test("a batch that failed marks its spans", () => {
  projectSpans("quotes-v1")(history().submit("a").records)(new Error("no room"));
  expect(recorder.spans[0]?.status).toEqual({ code: SpanStatusCode.ERROR, message: "Error: no room" });
});

test("a record whose command was not sampled or not traced has no span", () => {
  const { records } = history().submit("a").submit("b");
  records[0]!.record.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  records[1]!.record.traceparent = "";
  projectSpans("quotes-v1")(records)();
  expect(recorder.spans).toEqual([]);
});
