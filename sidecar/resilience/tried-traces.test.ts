import { expect, test } from "vitest";
import type { Call } from "../call.ts";
import { HeaderField } from "../http2/header-field.ts";
import { TriedTraces } from "./tried-traces.ts";

const callOf = (traceId: string) => ({ trace: { traceId } }) as Call;
const failed = [new HeaderField("grpc-status", "14")];

function isTold(traces: TriedTraces, traceId: string): boolean {
  return traces.lastWord(callOf(traceId), failed).some(({ name }) => name === "grpc-retry-pushback-ms");
}

test("a failure of a trace that was given up says not to retry, and nothing else does", () => {
  const traces = new TriedTraces();
  expect(traces.lastWord(callOf("a"), failed)).toBe(failed);
  traces.noteGivenUp("a", 0);
  expect(traces.lastWord(callOf("a"), failed)).toEqual([...failed, new HeaderField("grpc-retry-pushback-ms", "-1")]);
  expect(traces.lastWord(callOf("b"), failed)).toBe(failed);
  const ok = [new HeaderField("grpc-status", "0")];
  expect(traces.lastWord(callOf("a"), ok)).toBe(ok);
  const own = [...failed, new HeaderField("grpc-retry-pushback-ms", "500")];
  expect(traces.lastWord(callOf("a"), own)).toBe(own);
});

test("what is remembered is bounded in number and time, oldest first", () => {
  const traces = new TriedTraces();
  for (let n = 0; n < 20_000; n++) traces.noteGivenUp(`${n}`, n);
  expect([isTold(traces, "3615"), isTold(traces, "3616"), isTold(traces, "19999")]).toEqual([false, true, true]);
  traces.noteGivenUp("late", 78_000);
  expect([isTold(traces, "17999"), isTold(traces, "18000"), isTold(traces, "late")]).toEqual([false, true, true]);
});
