// What an incident is, and its course under one policy: calls begin by the clock, at a steady rate but not evenly, and
// go on beginning whatever becomes of them. What is counted are the calls from the trouble's begin to the end of
// the recovery; a policy is judged by what their callers got.

import { percentile } from "../percentile.ts";
import type { Policy } from "./policies.ts";
import { statusOf } from "./simulated-call.ts";
import { type Tier, World } from "./world.ts";

export interface Incident {
  readonly name: string;
  /** What happens, in a sentence or two. */
  readonly story: string;
  readonly callsPerSecond: number;
  readonly tiers: readonly Tier[];
  /** From the trouble's begin; before it all is well for `calmMs`. */
  readonly troubleMs: number;
  readonly recoveryMs: number;
  /** How often it is played, each time by another seed; default 3, counted together, so that chance decides less. */
  readonly courses?: number;
  /** Called when the trouble begins; sets the clock for all that is to come. */
  begin(world: World): void;
}

export interface Row {
  readonly incident: string;
  readonly policy: Policy;
  readonly callsPerSecond: number;
  readonly calls: number;
  /** Share of the calls that were answered OK before their deadline. */
  readonly success: number;
  /** Of all calls, failed ones included: how long callers waited. */
  readonly p99Ms: number;
  /** Requests sent to instances for each call. */
  readonly amplification: number;
  /** The same in the worst ten seconds, which is what a retry budget counts over. */
  readonly peak: number;
}

export const deadlineMs = 1_000;
/** Long enough for what a policy learns: latencies, budgets. */
export const calmMs = 10_000;

/** One course, counted. */
interface Course {
  begun: number;
  answered: number;
  sent: number;
  peak: number;
  readonly tookMs: number[];
}

export async function playIncident(incident: Incident, policy: Policy, seed: number): Promise<Row> {
  const courses: Course[] = [];
  for (let n = 0; n < (incident.courses ?? 3); n++) courses.push(await playCourse(incident, policy, seed + n));
  const sum = (count: (course: Course) => number) => courses.reduce((total, course) => total + count(course), 0);
  const calls = sum(({ begun }) => begun);
  const tookMs = courses.flatMap((course) => course.tookMs).sort((a, b) => a - b);
  return {
    ...{ incident: incident.name, policy, callsPerSecond: incident.callsPerSecond, calls },
    success: rounded(sum(({ answered }) => answered) / calls, 4),
    p99Ms: rounded(percentile(tookMs, 0.99), 1),
    amplification: rounded(sum(({ sent }) => sent) / calls, 2),
    peak: rounded(Math.max(...courses.map(({ peak }) => peak)), 2),
  };
}

async function playCourse(incident: Incident, policy: Policy, seed: number): Promise<Course> {
  const world = new World(policy, incident.tiers, seed);
  const { clock } = world;
  const untilMs = calmMs + incident.troubleMs + incident.recoveryMs;
  const course: Course = { begun: 0, answered: 0, sent: 0, peak: 0, tookMs: [] };
  const begunAtMs: number[] = [];
  const call = async () => {
    const beganMs = clock.nowMs();
    const counts = beganMs >= calmMs;
    begunAtMs.push(beganMs);
    if (counts) course.begun++;
    const answer = await world.call(deadlineMs);
    if (!counts) return;
    const ms = clock.nowMs() - beganMs;
    course.tookMs.push(ms);
    if (statusOf(answer) === 0 && ms <= deadlineMs) course.answered++;
  };
  const random = world.random();
  // One call in each slot, at a random moment of it.
  const slotMs = 1000 / incident.callsPerSecond;
  const next = (slot: number) => {
    const atMs = slot * slotMs;
    if (atMs >= untilMs) return;
    clock.after(atMs + random() * slotMs - clock.nowMs(), () => {
      void call();
      next(slot + 1);
    });
  };
  next(0);
  clock.after(calmMs, () => incident.begin(world));
  await clock.runUntil(untilMs + 2 * deadlineMs);
  const unended = course.begun - course.tookMs.length;
  if (unended > 0) throw new Error(`${incident.name} under ${policy}: ${unended} of ${course.begun} calls never ended`);
  course.sent = world.sentAtMs.filter((atMs) => atMs >= calmMs).length;
  course.peak = worstRatio(world.sentAtMs, begunAtMs, untilMs);
  return course;
}

/** Requests for each call in the worst window that ends before `untilMs`. */
function worstRatio(sentAtMs: readonly number[], begunAtMs: readonly number[], untilMs: number): number {
  let worst = 0;
  for (let fromMs = 0; fromMs + windowMs <= untilMs; fromMs += 1000) {
    const count = (times: readonly number[]) => times.filter((at) => at >= fromMs && at < fromMs + windowMs).length;
    worst = Math.max(worst, count(sentAtMs) / count(begunAtMs));
  }
  return worst;
}

/** What a retry budget counts over (sidecar/resilience/retry-budget.ts). */
const windowMs = 10_000;

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
