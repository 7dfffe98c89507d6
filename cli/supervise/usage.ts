// What processes cost: memory and processor time, from /proc. Linux only; elsewhere nothing is known.

import { readFileSync } from "node:fs";

export interface ProcessUsage {
  readonly pid: number;
  /**
   * Memory that is its own plus its share of what it shares (PSS), bytes; resident memory where PSS is not readable.
   */
  readonly memoryBytes: number;
  /** Processor time since it started, milliseconds. */
  readonly cpuMs: number;
}

/** The kernel's unit in /proc/<pid>/stat: USER_HZ is 100 on every Linux that Node runs on. */
const msPerTick = 10;

/** Undefined when there is no such process or no /proc. */
export function usageOf(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { pid, memoryBytes: memoryBytesOf(pid), cpuMs: (Number(fields[11]) + Number(fields[12])) * msPerTick };
  } catch {
    return undefined;
  }
}

/** The processes that it has started and that are there, as a sidecar's workers. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function memoryBytesOf(pid: number): number {
  try {
    return kilobytesOf(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"), "Pss") * 1024;
  } catch {
    return kilobytesOf(readFileSync(`/proc/${pid}/status`, "latin1"), "VmRSS") * 1024;
  }
}

function kilobytesOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}
