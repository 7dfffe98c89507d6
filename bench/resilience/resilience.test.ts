// The simulation itself: that it takes one course for one seed, and what a calm mesh and a plain failure look like.

import { describe, expect, test } from "vitest";
import { type Incident, playIncident } from "./incident.ts";
import { policies } from "./policies.ts";
import { problemsOf, table } from "./report.ts";
import { SimulationClock } from "./simulation-clock.ts";

const calm: Incident = {
  name: "calm",
  story: "Nothing happens.",
  callsPerSecond: 100,
  tiers: [{ name: "quotes", instances: 3, shape: { workers: 8, serviceMs: 10 } }],
  troubleMs: 3000,
  recoveryMs: 0,
  courses: 1,
  begin() {},
};

const oneFailing: Incident = {
  ...calm,
  name: "one of three fails",
  troubleMs: 10_000,
  begin: (world) => world.servers[0]!.become("failing"),
};

describe("the simulation of incidents", () => {
  test.each(policies)("a calm mesh answers every call once under %s", async (policy) => {
    const row = await playIncident(calm, policy, 1);
    expect(row).toMatchObject({ success: 1, amplification: 1 });
    expect(row.calls).toBeGreaterThan(200);
    expect(row.p99Ms).toBeGreaterThan(10);
    expect(row.p99Ms).toBeLessThan(100);
  });

  test.each(policies)("takes the same course for the same seed under %s", async (policy) => {
    const row = await playIncident(oneFailing, policy, 7);
    expect(await playIncident(oneFailing, policy, 7)).toEqual(row);
    expect(await playIncident(oneFailing, policy, 8)).not.toEqual(row);
  });

  test("without a policy a third of the calls fail with a third of the instances", async () => {
    const { success, amplification } = await playIncident(oneFailing, "no policy", 1);
    expect(success).toBeCloseTo(2 / 3, 2);
    expect(amplification).toBe(1);
  });

  test("three plain retries ask half as much again of three instances of which one fails", async () => {
    const { success, amplification } = await playIncident(oneFailing, "plain retries x3", 1);
    expect(success).toBe(1);
    // A third of the calls needs a second try; instances are taken in turn, so that hits a good one.
    expect(amplification).toBeGreaterThan(1.3);
    expect(amplification).toBeLessThan(1.6);
  });
});

test("timers of a simulation fire in order of their time, at their time, and not when cancelled", async () => {
  const clock = new SimulationClock();
  const fired: string[] = [];
  clock.after(30, () => fired.push(`c ${clock.nowMs()}`));
  clock.after(10, () => {
    fired.push(`a ${clock.nowMs()}`);
    clock.after(5, () => fired.push(`b ${clock.nowMs()}`));
  });
  clock.after(20, () => fired.push("never")).cancel();
  clock.after(10, () => fired.push(`a2 ${clock.nowMs()}`));
  clock.after(41, () => fired.push("later"));
  await clock.runUntil(40);
  expect(fired).toEqual(["a 10", "a2 10", "b 15", "c 30"]);
  expect(clock.nowMs()).toBe(40);
});

test("a better success of others and too many requests are problems, what chance does is not", () => {
  const row = { incident: "x", callsPerSecond: 200, calls: 1000, success: 0.9, p99Ms: 10, amplification: 1, peak: 1.1 };
  const ours = { ...row, policy: "ferry" as const };
  const none = { ...row, policy: "no policy" as const };
  expect(problemsOf([ours, { ...none, success: 0.9009 }])).toEqual([]);
  expect(problemsOf([ours, { ...none, success: 0.902 }])).toEqual(["x at 200/s: success 0.9, no policy has 0.902"]);
  expect(problemsOf([ours, { ...none, success: 1, callsPerSecond: 1000 }])).toEqual([]);
  expect(problemsOf([{ ...ours, amplification: 1.3 }])).toEqual([
    "x at 200/s: amplification 1.3, expected at most 1.2",
  ]);
  expect(table([ours]).split("\n")).toEqual([
    "| incident | calls/s | policy | success | p99 ms | amplification | worst 10 s |",
    "| -------- | ------: | ------ | ------: | -----: | ------------: | ---------: |",
    "| x        |     200 | ferry  | 90.00 % |     10 |          1.00 |       1.10 |",
  ]);
});
