// One incident under a steady load of queries, and what became of each call. Calls begin by the clock; what is counted
// are those from the trouble's begin until all instances answer again.

import { GrpcClient } from "../testing/grpc-client.ts";
import { OpenLoop } from "../testing/open-loop.ts";
import type { QueryInstance } from "./query-instance.ts";
import type { QueryMesh } from "./query-mesh.ts";

export interface Incident {
  readonly name: string;
  /**
   * Makes the trouble and ends it, with `load` going on; resolves when everything is there again. The first of
   * `instances` is the one that gets the most calls, so that it is missed.
   */
  play(instances: readonly QueryInstance[], load: Load): Promise<void>;
}

export interface Load {
  /** Resolves when the calls of so many seconds have ended. */
  pass(seconds: number): Promise<void>;
  /** From now on no answer is possible … */
  nobodyServes(): void;
  /** … until now. */
  somebodyServes(): void;
}

export interface Row {
  readonly incident: string;
  readonly calls: number;
  readonly failed: number;
  /** Of those that failed: begun or under way when no instance served, or just after. */
  readonly excused: number;
  readonly p99Ms: number;
  /** Tries at instances for each call. */
  readonly amplification: number;
}

interface EndedCall {
  readonly beganMs: number;
  readonly endedMs: number;
  /** Empty when it was answered. */
  readonly failure: string;
}

export const callsPerSecond = 200;
export const deadlineMs = 4000;
/** What an answer may take after an instance is ready again: registry and breaker must hear of it. */
const noticedWithinMs = 2000;
/** Beyond its deadline no call may take longer, on a machine that others use too. */
const lateMs = 500;

export async function playIncident(incident: Incident, mesh: QueryMesh): Promise<{ row: Row; problems: string[] }> {
  const client = new GrpcClient(mesh.gateway);
  const ended: EndedCall[] = [];
  const servedBy = new Map<string, number>();
  const outages: { fromMs: number; toMs: number }[] = [];
  const loop = new OpenLoop(callsPerSecond, async () => {
    const beganMs = performance.now();
    const { code, message, headers } = await mesh.ask(client, deadlineMs);
    const by = String(headers.get("x-quoter-instance")[0] ?? "");
    servedBy.set(by, (servedBy.get(by) ?? 0) + 1);
    ended.push({ beganMs, endedMs: performance.now(), failure: code === "OK" ? "" : `${code} ${message}` });
  });
  const load: Load = {
    pass: (seconds) => loop.untilEnded(seconds * callsPerSecond),
    nobodyServes: () => void outages.push({ fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY }),
    somebodyServes: () => {
      outages.at(-1)!.toMs = performance.now() + noticedWithinMs;
    },
  };
  try {
    loop.start();
    await load.pass(1);
    const fromMs = performance.now();
    const before = await mesh.counts();
    const served = ({ id }: QueryInstance) => servedBy.get(id) ?? 0;
    await incident.play(
      mesh.instances.toSorted((a, b) => served(b) - served(a)),
      load,
    );
    await mesh.allAnswer();
    await loop.end();
    const after = await mesh.counts();
    const amplification = (after.tries - before.tries) / (after.calls - before.calls);
    const calls = ended.filter(({ beganMs }) => beganMs >= fromMs);
    return judge({ name: incident.name, calls, outages, amplification });
  } finally {
    loop.stop();
    client.close();
  }
}

interface Course {
  readonly name: string;
  readonly calls: readonly EndedCall[];
  readonly outages: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly amplification: number;
}

function judge({ name, calls, outages, amplification }: Course): { row: Row; problems: string[] } {
  const failed = calls.filter(({ failure }) => failure !== "");
  const isExcused = ({ beganMs, endedMs }: EndedCall) =>
    outages.some(({ fromMs, toMs }) => endedMs >= fromMs && beganMs <= toMs);
  const wrong = failed.filter((call) => !isExcused(call));
  const tookMs = calls.map(({ beganMs, endedMs }) => endedMs - beganMs).sort((a, b) => a - b);
  const slowest = tookMs.at(-1) ?? 0;
  const problems: string[] = [];
  if (wrong.length > 0) {
    const kinds = [...new Set(wrong.map(({ failure }) => failure))].slice(0, 3).join("; ");
    problems.push(`${name}: ${wrong.length} calls failed although an answer was possible: ${kinds}`);
  }
  const unclear = failed.filter((call) => isExcused(call) && !/^(UNAVAILABLE|DEADLINE_EXCEEDED) /.test(call.failure));
  if (unclear.length > 0) problems.push(`${name}: ${unclear.length} calls failed with ${unclear[0]!.failure}`);
  if (slowest > deadlineMs + lateMs) problems.push(`${name}: a call took ${Math.round(slowest)} ms`);
  const row: Row = {
    ...{ incident: name, calls: calls.length, failed: failed.length, excused: failed.length - wrong.length },
    p99Ms: Math.round(tookMs[Math.max(0, Math.ceil(tookMs.length * 0.99) - 1)] ?? 0),
    amplification: Math.round(amplification * 1000) / 1000,
  };
  return { row, problems };
}
