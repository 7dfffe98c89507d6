// What the idle stack costs: processor time over five seconds and memory, printed once after it is ready.

import { availableParallelism } from "node:os";
import { type Clock, wait } from "../../common/clock.ts";
import type { Console } from "../console.ts";
import { childrenOf, usageOf } from "../supervise/usage.ts";

export interface IdleFigures {
  readonly processes: readonly { readonly name: string; readonly cpuPercent: number; readonly memoryMb: number }[];
  readonly overMs: number;
}

const overMs = 5000;
/** The start's own work (garbage collection, late compilation) is left out. */
const settleMs = 2000;

interface NamedProcess {
  readonly name: string;
  readonly pid: number;
}

/** The processes, and behind each those that it has started itself. */
export function withWorkers(processes: readonly NamedProcess[]): readonly NamedProcess[] {
  return processes.flatMap(({ name, pid }) => {
    const workers = childrenOf(pid).map((worker, at) => ({ name: `${name} worker ${at + 1}`, pid: worker }));
    return [{ name, pid }, ...workers];
  });
}

/** Percent of one core. Rejects when `signal` aborts. */
export async function measureIdle(
  processes: readonly NamedProcess[],
  clock: Clock,
  signal: AbortSignal,
): Promise<IdleFigures> {
  await wait(clock, settleMs, signal);
  const before = processes.map(({ pid }) => usageOf(pid));
  const startMs = clock.nowMs();
  await wait(clock, overMs, signal);
  const tookMs = clock.nowMs() - startMs;
  const measured = processes.flatMap(({ name, pid }, at) => {
    const now = usageOf(pid);
    const then = before[at];
    if (now === undefined || then === undefined) return [];
    const cpuPercent = round(((now.cpuMs - then.cpuMs) / tookMs) * 100);
    return [{ name, cpuPercent, memoryMb: round(now.memoryBytes / 2 ** 20) }];
  });
  return { processes: measured, overMs };
}

export function showIdle(idle: IdleFigures, out: Console): void {
  const { processes } = idle;
  const busiest = processes.toSorted((a, b) => b.cpuPercent - a.cpuPercent)[0];
  if (busiest === undefined) return;
  const memoryMb = round(processes.reduce((sum, { memoryMb: own }) => sum + own, 0));
  const cpuPercent = round(processes.reduce((sum, { cpuPercent: own }) => sum + own, 0));
  out.say(
    `${processes.length} processes use ${memoryMb} MB and ${cpuPercent} % of one core (of ${availableParallelism()}) ` +
      `together; the busiest is ${busiest.name} with ${busiest.cpuPercent} %`,
  );
  out.event("figures", { memoryMb, cpuPercent, overMs: idle.overMs, processes });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
