import { describe, expect, test } from "vitest";
import { StreamTips } from "./stream-tips.ts";

describe("the known ends of streams", () => {
  test("a later end stays when an earlier one arrives after it", () => {
    const tips = new StreamTips(10);
    tips.learn("a", { version: 2, sequence: 20 });
    tips.learn("a", { version: 1, sequence: 10 });
    expect(tips.get("a")).toEqual({ version: 2, sequence: 20 });
  });

  test("some earlier ends are kept for those who read from there", () => {
    const tips = new StreamTips(10);
    for (let version = 1; version <= 9; version += 2) tips.learn("a", { version, sequence: version * 10 });
    expect(tips.before("a", 9)).toEqual({ version: 7, sequence: 70 });
    expect(tips.before("a", 6)).toEqual({ version: 5, sequence: 50 });
    expect(tips.before("a", 3)).toBeUndefined();
    expect(tips.before("b", 3)).toBeUndefined();
  });

  test("where a reader came by is kept, and the end stays the end", () => {
    const tips = new StreamTips(10);
    for (const version of [20, 30, 40, 50]) tips.learn("a", { version, sequence: version * 10 });
    tips.passed("a", { version: 7, sequence: 70 });
    expect(tips.before("a", 8)).toEqual({ version: 7, sequence: 70 });
    expect(tips.get("a")).toEqual({ version: 50, sequence: 500 });
  });

  test("an end that was wrong is forgotten, the ones before stay", () => {
    const tips = new StreamTips(10);
    tips.learn("a", { version: 1, sequence: 10 });
    tips.learn("a", { version: 2, sequence: 20 });
    tips.forget("a");
    expect(tips.get("a")).toEqual({ version: 1, sequence: 10 });
    tips.forget("a");
    expect(tips.get("a")).toBeUndefined();
  });

  test("streams that were used long ago are forgotten first", () => {
    const tips = new StreamTips(4);
    for (const [at, stream] of ["a", "b", "a", "c", "d", "e"].entries()) {
      tips.learn(stream, { version: 1, sequence: at });
    }
    const known = ["a", "b", "c", "d", "e"].filter((stream) => tips.get(stream) !== undefined);
    expect(known.length).toBeLessThanOrEqual(4);
    expect(known).toContain("e");
    expect(known).not.toContain("b");
  });
});
