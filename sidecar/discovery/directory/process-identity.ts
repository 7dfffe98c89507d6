// Tells whether a process that registered something still runs. A pid alone is not enough: the kernel hands it out
// again. Where /proc exists the start time stands beside it; elsewhere the pid must do.

import { readFileSync } from "node:fs";

/**
 * When the process started, in the kernel's ticks since boot (field 22 of /proc/<pid>/stat); empty when there is no
 * such process or no /proc, or when it has ended and only its parent has not looked yet (a zombie).
 */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "" : (fields[19] ?? "");
  } catch {
    return "";
  }
}

/** Whether the process is there and is the one that started at `start`. Pid 0 means unknown, and counts as running. */
export function isRunning(pid: number, start: string): boolean {
  if (pid === 0) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as somebody else.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return start === "" || processStart(pid) === start;
}
