// Runs h2load (nghttp2-client) against one peer and reads what it says. Called by proxy.ts.
//
// Latencies come from h2load's per-request log (`--log-file`): whole microseconds from sending a request to the end of
// its answer, as the load generator saw it. Writing the log costs the load generator time, so at many streams the rate
// is taken from a run without a log and the latencies from a shorter run with one.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { percentile } from "./percentile.ts";

export interface Workload {
  /** `connections x streams`. */
  readonly name: string;
  readonly connections: number;
  readonly streams: number;
}

export const workloads: readonly Workload[] = [
  { name: "8x32", connections: 8, streams: 32 },
  { name: "1x1", connections: 1, streams: 1 },
];

export interface LoadParams {
  readonly port: number;
  readonly workload: Workload;
  readonly requests: number;
  /** The request's method path. */
  readonly path: string;
  /** A file with the gRPC message: prefix and payload. */
  readonly bodyFile: string;
  readonly core: number;
  /** Where to write one line a request; undefined: no log. */
  readonly logFile: string | undefined;
  /** When to give up, milliseconds. */
  readonly limitMs: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly rps: number;
  /** Requests answered with a 2xx. */
  readonly succeeded: number;
  /** Requests that were not: failed, broken off, timed out, or answered otherwise. */
  readonly errors: number;
  /** From the log; undefined without one. */
  readonly p50Us: number | undefined;
  readonly p99Us: number | undefined;
}

export async function runLoad(params: LoadParams): Promise<LoadResult> {
  const { workload, requests, logFile } = params;
  const args = ["-n", String(requests), "-c", String(workload.connections), "-m", String(workload.streams), "-t", "1"];
  args.push("-d", params.bodyFile, "-H", "content-type: application/grpc", "-H", "te: trailers");
  if (logFile !== undefined) args.push("--log-file", logFile);
  args.push(`http://127.0.0.1:${params.port}${params.path}`);
  const output = await runBounded("taskset", ["-c", String(params.core), "h2load", ...args], params.limitMs);
  const result = parseOutput(output, requests);
  if (logFile === undefined) return { ...result, p50Us: undefined, p99Us: undefined };
  const elapsed = parseLog(readFileSync(logFile, "utf8")).sort((a, b) => a - b);
  return { ...result, p50Us: percentile(elapsed, 0.5), p99Us: percentile(elapsed, 0.99) };
}

/** Reads h2load's summary; throws on one that it cannot read. `requests`: how many were asked for. */
export function parseOutput(output: string, requests: number): Omit<LoadResult, "p50Us" | "p99Us"> {
  const finished = /finished in ([\d.]+)(us|ms|s|m), ([\d.]+) req\/s/.exec(output);
  const codes = /status codes: (\d+) 2xx/.exec(output);
  if (finished === null || codes === null) throw new Error(`h2load did not finish: ${output.slice(-500)}`);
  const unit = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[finished[2] as "us" | "ms" | "s" | "m"];
  const succeeded = Number(codes[1]);
  return { seconds: Number(finished[1]) * unit, rps: Number(finished[3]), succeeded, errors: requests - succeeded };
}

/** The elapsed microseconds of each line `start <tab> status <tab> elapsed`. */
export function parseLog(log: string): number[] {
  const elapsed: number[] = [];
  for (const line of log.split("\n")) {
    const microseconds = line.split("\t")[2];
    if (microseconds !== undefined) elapsed.push(Number(microseconds));
  }
  return elapsed;
}

/** Standard output and error of a command that is ended after `limitMs`. */
function runBounded(command: string, args: readonly string[], limitMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.once("error", reject);
    child.once("close", () => {
      clearTimeout(timer);
      resolve(output);
    });
  });
}
