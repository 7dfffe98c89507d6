// The workloads of the proxy benchmark, and the load generator (wire/load.ts) run as a process on its core. Called by
// proxy.ts.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoadFigures, LoadPlan } from "./wire/load-plan.ts";

export interface Workload {
  /** `connections x streams size`, as `8x32 64B`. */
  readonly name: string;
  readonly shape: Pick<LoadPlan, "connections" | "streams" | "messageBytes" | "reply">;
  /** Calls are due at half of our own saturation, the same for every peer; else each begins when another has ended. */
  readonly isAtHalf: boolean;
  /** Requests before anything is measured: enough to compile what will be hot, and to find the rate. */
  readonly warmUpRequests: number;
}

export const workloads: readonly Workload[] = [
  unary("8x32", 64, 20_000),
  unary("1x1", 64, 1_000),
  unary("100x10", 64, 20_000),
  unary("8x32", 1_024, 20_000),
  unary("8x32", 65_536, 1_000),
  {
    name: "4x4 stream 16x64KB",
    shape: { connections: 4, streams: 4, messageBytes: 64, reply: { messages: 16, bytes: 65_536 } },
    isAtHalf: false,
    warmUpRequests: 100,
  },
  { ...unary("8x32", 64, 20_000), name: "8x32 64B at half", isAtHalf: true },
];

const loadProgram = fileURLToPath(new URL("wire/load.ts", import.meta.url));

/** Runs `plan` on `core`; rejects when it does not end within `limitMs`. */
export function runLoad(plan: LoadPlan, core: number, limitMs: number): Promise<LoadFigures> {
  return new Promise((resolve, reject) => {
    const command = ["-c", String(core), process.execPath, loadProgram, JSON.stringify(plan)];
    const child = spawn("taskset", command, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2_000);
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(JSON.parse(output) as LoadFigures);
      else reject(new Error(`the load ended with ${code ?? `SIGKILL after ${limitMs} ms`}: ${said}`));
    });
  });
}

function unary(shape: string, bytes: number, warmUpRequests: number): Workload {
  const [connections, streams] = shape.split("x").map(Number);
  return {
    name: `${shape} ${bytes < 1_024 ? `${bytes}B` : `${bytes / 1_024}KB`}`,
    shape: { connections: connections!, streams: streams!, messageBytes: bytes, reply: undefined },
    isAtHalf: false,
    warmUpRequests,
  };
}
