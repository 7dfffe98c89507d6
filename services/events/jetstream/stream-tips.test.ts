import { expect, test } from "vitest";
import { StreamTips } from "./stream-tips.ts";

test("a later tip stays when an earlier one arrives after it", () => {
  const tips = new StreamTips(10);
  tips.learn("a", { version: 2, sequence: 20 });
  tips.learn("a", { version: 1, sequence: 10 });
  expect(tips.get("a")).toEqual({ version: 2, sequence: 20 });
  tips.forget("a");
  expect(tips.get("a")).toBeUndefined();
});

test("the stream that was used longest ago is forgotten first", () => {
  const tips = new StreamTips(2);
  tips.learn("a", { version: 1, sequence: 1 });
  tips.learn("b", { version: 1, sequence: 2 });
  tips.learn("a", { version: 2, sequence: 3 });
  tips.learn("c", { version: 1, sequence: 4 });
  expect(["a", "b", "c"].map((stream) => tips.get(stream)?.version)).toEqual([2, undefined, 1]);
});
