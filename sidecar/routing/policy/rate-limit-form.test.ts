import { expect, test } from "vitest";
import { rateLimit } from "./rate-limit-form.ts";

test("a rate is so many per second, minute or hour; a second's worth may come at once unless stated", () => {
  expect(rateLimit.parse("100/s")).toEqual({
    total: { perMs: 0.1, burst: 100, text: "100/s" },
    bySource: {},
    others: undefined,
  });
  expect(rateLimit.parse("600/m burst 20")).toMatchObject({
    total: { perMs: 0.01, burst: 20, text: "600/m burst 20" },
  });
  expect(rateLimit.parse("2/h")).toMatchObject({ total: { perMs: 2 / 3_600_000, burst: 1 } });
});

test("sources are named as in intentions, * for the others", () => {
  expect(rateLimit.parse("web=100/s, quote-query=5/s burst 9,*=1000/s,9000/s")).toMatchObject({
    total: { text: "9000/s" },
    bySource: { web: { text: "100/s" }, "quote-query": { burst: 9 } },
    others: { text: "1000/s" },
  });
});

test("none is no limit, and everything else is a mistake", () => {
  expect(rateLimit.parse("none")).toBe("none");
  for (const wrong of [
    "",
    "100",
    "0/s",
    "100/d",
    "1/s burst 0",
    "web=",
    "web=1/s,web=2/s",
    "1/s,2/s",
    "Web=1/s",
    "-1/s",
  ]) {
    expect(rateLimit.parse(wrong), wrong).toBeUndefined();
  }
});
