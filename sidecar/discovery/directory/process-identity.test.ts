import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { isRunning, processStart } from "./process-identity.ts";

test("a process runs while it has the start time it had", () => {
  const start = processStart(process.pid);
  expect(isRunning(process.pid, start)).toBe(true);
  expect(isRunning(process.pid, `${start}1`)).toBe(false);
  expect(isRunning(process.pid, "")).toBe(true);
  expect(isRunning(0, "")).toBe(true);
});

test.runIf(process.platform === "linux")("a zombie does not run, although its id still exists", async () => {
  // `sleep` takes the shell's place and never collects the shell's child.
  const parent = spawn("/bin/sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const pid = Number(await new Promise((resolve) => createInterface({ input: parent.stdout }).once("line", resolve)));
    const start = processStart(pid);
    expect(isRunning(pid, start)).toBe(true);
    process.kill(pid, "SIGKILL");
    await expect.poll(() => isRunning(pid, start)).toBe(false);
    expect(process.kill(pid, 0)).toBe(true);
  } finally {
    parent.kill("SIGKILL");
  }
});
