import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { childrenOf, usageOf } from "./usage.ts";

test("a process's children are those that it has started, until they end", async () => {
  const child = spawn("sleep", ["30"], { stdio: "ignore" });
  await once(child, "spawn");
  expect(childrenOf(process.pid)).toContain(child.pid);
  expect(usageOf(child.pid!)?.memoryBytes).toBeGreaterThan(0);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(childrenOf(process.pid)).not.toContain(child.pid);
});

test("a process that is not there has none", () => {
  expect(childrenOf(2 ** 30)).toEqual([]);
  expect(usageOf(2 ** 30)).toBeUndefined();
});
