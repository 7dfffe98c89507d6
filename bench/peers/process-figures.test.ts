import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { cpuMsOf, processesOf, rssKbOf, sumOver } from "./process-figures.ts";

test("a process's figures are those of its descendants too, and of one that has gone nothing", async () => {
  // A shell that says its child's pid and waits for it.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $!; wait"], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(shell.stdout, "data")) as [Buffer];
  const pids = [shell.pid!, Number(line.toString())];
  expect(processesOf(shell.pid!)).toEqual(pids);
  expect(sumOver(pids, rssKbOf)).toBeGreaterThan(rssKbOf(shell.pid!));
  expect(cpuMsOf(process.pid)).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await once(shell, "close");
  expect(processesOf(pids[1]!)).toEqual([pids[1]]);
  expect([rssKbOf(pids[0]!), cpuMsOf(pids[0]!)]).toEqual([0, 0]);
});
