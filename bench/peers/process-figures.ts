// What Linux says of processes: a process and its descendants, their processor time and resident memory. Used for every
// peer and by the benchmarks of memory and workers. (proc(5))

import { readdirSync, readFileSync } from "node:fs";

/** `pid` and its descendants, as they are now. */
export function processesOf(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(" "));
  return [pid, ...children.filter((text) => text !== "").flatMap((text) => processesOf(Number(text)))];
}

/** User and system time, to the 10 ms that the kernel counts in; 0 for a process that has gone. */
export function cpuMsOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // Behind the name, which may hold spaces: utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return stat === "" ? 0 : (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory; 0 for a process that has gone. What processes share counts for each. */
export function rssKbOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

export function sumOver(pids: readonly number[], figure: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + figure(pid), 0);
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Empty for a process that has gone. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
