// What bench:memory found: its musts, and its part of docs/performance.md. Pure.

import { formatMusts, judge, type Must } from "../musts.ts";
import type { CollectionRow } from "./gc-trace.ts";
import { type Growth, toleratedBytes } from "./growth.ts";

export interface MemoryFigures {
  /** From a process's start to its ready line, the median. */
  readonly startMs: { readonly sidecar: number; readonly proxy: number };
  /** Resident, some seconds behind the ready line, before any call. */
  readonly idleMb: { readonly sidecar: number; readonly proxy: number };
  /** `ferry proxy` with connections that do nothing. */
  readonly connections: { readonly count: number; readonly rssMb: number; readonly bytesPerConnection: number };
  /** The sidecar at saturation. */
  readonly load: {
    readonly calls: number;
    readonly bytesPerCall: number;
    readonly collections: readonly CollectionRow[];
    readonly rssMb: number;
    /** After forced collections: behind the warm-up, and behind the last call. */
    readonly heap: Growth & { readonly firstMb: number; readonly lastMb: number };
  };
}

export function memoryMusts({ startMs, idleMb, load }: MemoryFigures): readonly Must[] {
  const grown = { what: `heap growth over ${load.calls.toLocaleString("en")} calls`, unit: "MB" } as const;
  return [
    judge({ what: "idle sidecar", sign: "<", bound: 90, unit: "MB" }, idleMb.sidecar),
    judge({ what: "idle sidecar", sign: "<", bound: 60, unit: "MB", isAim: true }, idleMb.sidecar),
    judge({ what: "idle `ferry proxy`", sign: "<", bound: 90, unit: "MB" }, idleMb.proxy),
    judge({ what: "start to ready, sidecar", sign: "<", bound: 300, unit: "ms" }, startMs.sidecar),
    judge({ what: "start to ready, `ferry proxy`", sign: "<", bound: 300, unit: "ms" }, startMs.proxy),
    judge({ ...grown, sign: "<=", bound: toleratedBytes / 1e6 }, load.heap.bytes / 1e6),
  ];
}

export function memoryPart(made: string, figures: MemoryFigures): string {
  const { startMs, idleMb, connections, load } = figures;
  const { heap } = load;
  const count = (value: number) => value.toLocaleString("en");
  const rows = [
    ["start to ready, sidecar", `${startMs.sidecar} ms`],
    ["start to ready, `ferry proxy`", `${startMs.proxy} ms`],
    ["resident, idle sidecar", `${idleMb.sidecar} MB`],
    ["resident, idle `ferry proxy`", `${idleMb.proxy} MB`],
    [`resident, \`ferry proxy\` with ${count(connections.count)} idle connections`, `${connections.rssMb} MB`],
    ["each of these connections", `${count(connections.bytesPerConnection)} octets`],
    ["resident, sidecar behind the load", `${load.rssMb} MB`],
    ["allocated in V8's heap for a call", `${count(load.bytesPerCall)} octets`],
    ["heap behind the warm-up, after a collection", `${heap.firstMb} MB`],
    [`heap behind ${count(load.calls)} calls more`, `${heap.lastMb} MB`],
    ["growth, medians of the first and last quarter", `${heap.bytesPerCall} octets a call`],
  ];
  const pauses = load.collections.map(({ kind, count: times, p50Ms, p99Ms, maxMs }) => {
    return `| ${kind} | ${count(times)} | ${p50Ms} | ${p99Ms} | ${maxMs} |`;
  });
  return [
    made,
    "Each figure is seen from outside of the process, which has the code and the settings that it is shipped with; " +
      "compiled code is kept from start to start, as the command `ferry` has it. The load is 8x32 calls of 64 octets " +
      "without a pause, header caches off, through the sidecar with every default layer.",
    formatMusts(memoryMusts(figures)),
    table(["what", "figure"], rows),
    "Collections at saturation, and how long the process stood still for them:",
    ["| kind | count | p50 ms | p99 ms | max ms |", "|---|---:|---:|---:|---:|", ...pauses].join("\n"),
  ].join("\n\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, ["---", "---:"], ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
