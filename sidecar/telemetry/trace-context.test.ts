import { describe, expect, test } from "vitest";
import { childContext, traceparentOf } from "./trace-context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parent = "00f067aa0ba902b7";
const ids = (bytes: number) => "a1".repeat(bytes);
const never = () => false;
const always = () => true;

describe("trace context", () => {
  test("continues the caller's trace with a span of its own", () => {
    const context = childContext(`00-${traceId}-${parent}-01`, ids, never);
    expect(context).toEqual({ traceId, spanId: ids(8), parentSpanId: parent, sampled: true });
    expect(traceparentOf(context)).toBe(`00-${traceId}-${ids(8)}-01`);
  });

  test("keeps the caller's decision not to record, whatever our own share is", () => {
    const context = childContext(`00-${traceId}-${parent}-00`, ids, always);
    expect(context.sampled).toBe(false);
    expect(traceparentOf(context)).toMatch(/-00$/);
  });

  test("reads only the sampled bit of the flags, and writes no bit that it does not know", () => {
    expect(traceparentOf(childContext(`00-${traceId}-${parent}-03`, ids, never))).toMatch(/-01$/);
    expect(traceparentOf(childContext(`00-${traceId}-${parent}-fe`, ids, never))).toMatch(/-00$/);
  });

  test("takes a later version with more parts, and answers in version 00", () => {
    const context = childContext(`cc-${traceId}-${parent}-01-what-the-future-brings`, ids, never);
    expect(context).toMatchObject({ traceId, parentSpanId: parent, sampled: true });
    expect(traceparentOf(context)).toMatch(/^00-/);
  });

  test.each([
    undefined,
    "",
    "00",
    `ff-${traceId}-${parent}-01`,
    `00-${"0".repeat(32)}-${parent}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parent}-01`,
    `00-${traceId}-${parent}-1`,
    `00-${traceId}-${parent}-01 `,
    `00-${traceId}-${parent}`,
  ])("begins a new trace for traceparent %j, sampled by our own share", (traceparent) => {
    expect(childContext(traceparent, ids, always)).toEqual({
      traceId: ids(16),
      spanId: ids(8),
      parentSpanId: undefined,
      sampled: true,
    });
    expect(childContext(traceparent, ids, never).sampled).toBe(false);
  });

  test("a version 00 with further parts is not valid", () => {
    expect(childContext(`00-${traceId}-${parent}-01-more`, ids, never).parentSpanId).toBeUndefined();
  });
});
