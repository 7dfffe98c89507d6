import { describe, expect, test } from "vitest";
import { patienceMs, stalenessMs } from "./freshness.ts";

const model = { name: "quotes-v1", position: 7, head: 7, caughtUpAtMs: 100_000 };

describe("staleness", () => {
  test("is 0 while the model holds everything and its projector wrote within 3 s", () => {
    expect(stalenessMs(model, 100_000)).toBe(0);
    expect(stalenessMs(model, 102_999)).toBe(0);
  });

  test("is the time since the projector was heard when it is silent", () => {
    expect(stalenessMs(model, 103_000)).toBe(3000);
    expect(stalenessMs(model, 160_000)).toBe(60_000);
  });

  test("is the time since it held everything while it is behind", () => {
    expect(stalenessMs({ ...model, head: 9 }, 100_250)).toBe(250);
  });

  test("is never negative when two clocks differ, and unknown when it never held everything", () => {
    expect(stalenessMs({ ...model, head: 9 }, 99_000)).toBe(0);
    expect(stalenessMs({ ...model, caughtUpAtMs: 0 }, 100_000)).toBeUndefined();
  });
});

describe("patience", () => {
  test("is 5 s without a deadline, else until just before it", () => {
    expect(patienceMs(Number.POSITIVE_INFINITY)).toBe(5000);
    expect(patienceMs(60_000)).toBe(59_950);
    expect(patienceMs(100)).toBe(90);
    expect(patienceMs(0)).toBe(0);
  });
});
