import { expect, test } from "vitest";
import { wait } from "../../common/clock.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { type CallOutcome, openLoop, percentile } from "./open-loop.ts";

const ok: CallOutcome = { code: "OK", failure: "", servedBy: "a v1", message: "", attempts: 1 };

test("calls begin by the clock, however long the server takes", async () => {
  const clock = new TestingClock();
  const begunMs: number[] = [];
  const call = async () => {
    begunMs.push(clock.nowMs());
    await wait(clock, 1000);
    return ok;
  };
  const signal = new AbortController().signal;
  const load = openLoop({ rps: 10, seconds: 0.5, concurrency: 100, call, clock, signal });
  await clock.advance(5000);
  expect(begunMs).toEqual([0, 100, 200, 300, 400]);
  expect(await load).toMatchObject({ calls: 5, failed: 0, p50Ms: 1000, servedBy: { "a v1": 5 } });
});

test("a call that had to wait for a free place counts from when it was due", async () => {
  const clock = new TestingClock();
  const call = () => wait(clock, 1000).then(() => ok);
  const signal = new AbortController().signal;
  const load = openLoop({ rps: 10, seconds: 0.2, concurrency: 1, call, clock, signal });
  await clock.advance(5000);
  expect(await load).toMatchObject({ calls: 2, maxMs: 1900 });
});

test("failures are counted by code and kind", async () => {
  const clock = new TestingClock();
  const outcomes = [
    ok,
    { ...ok, code: "UNAVAILABLE", failure: "no_endpoint", message: "none" },
    { ...ok, code: "INTERNAL" },
  ];
  const call = async () => outcomes.shift() ?? ok;
  const signal = new AbortController().signal;
  const load = openLoop({ rps: 10, seconds: 0.3, concurrency: 1, call, clock, signal });
  await clock.advance(5000);
  expect(await load).toMatchObject({ failed: 2, failures: { "UNAVAILABLE (no_endpoint)": 1, INTERNAL: 1 } });
});

test("the 99th percentile of 1 to 100 is 99, of one value that value", () => {
  expect(
    percentile(
      Float64Array.from({ length: 100 }, (_, at) => at + 1),
      99,
    ),
  ).toBe(99);
  expect(percentile(Float64Array.of(7), 99)).toBe(7);
  expect(percentile(Float64Array.of(), 99)).toBe(0);
});
