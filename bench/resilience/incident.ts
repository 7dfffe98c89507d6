// What an incident is, and its course under one policy: calls begin by the clock, at random moments at a steady rate,
// and go on beginning whatever becomes of them. What is counted are the calls from the trouble's begin to the end of
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
  /** Requests sent to instances for each call, while the trouble lasted. */
  readonly amplification: number;
}

export const deadlineMs = 1_000;
/** Long enough for what a policy learns: latencies, budgets. */
export const calmMs = 10_000;

/** One course, counted. */
interface Course {
  begun: number;
  begunInTrouble: number;
  sentInTrouble: number;
  answered: number;
  readonly tookMs: number[];
}

/** `seeds`: one course for each, counted together. */
export async function playIncident(incident: Incident, policy: Policy, seeds: readonly number[]): Promise<Row> {
  const courses: Course[] = [];
  for (const seed of seeds) courses.push(await playCourse(incident, policy, seed));
  const sum = (count: (course: Course) => number) => courses.reduce((total, course) => total + count(course), 0);
  const calls = sum(({ begun }) => begun);
  const tookMs = courses.flatMap((course) => course.tookMs).sort((a, b) => a - b);
  return {
    ...{ incident: incident.name, policy, callsPerSecond: incident.callsPerSecond, calls },
    success: rounded(sum(({ answered }) => answered) / calls, 4),
    p99Ms: rounded(percentile(tookMs, 0.99), 1),
    amplification: rounded(sum(({ sentInTrouble }) => sentInTrouble) / sum(({ begunInTrouble }) => begunInTrouble), 3),
  };
}

async function playCourse(incident: Incident, policy: Policy, seed: number): Promise<Course> {
  const world = new World(policy, incident.tiers, seed);
  const { clock } = world;
  const overMs = calmMs + incident.troubleMs;
  const untilMs = overMs + incident.recoveryMs;
  const course: Course = { begun: 0, begunInTrouble: 0, sentInTrouble: 0, answered: 0, tookMs: [] };
  const call = async () => {
    const beganMs = clock.nowMs();
    const counts = beganMs >= calmMs;
    if (counts) course.begun++;
    if (counts && beganMs < overMs) course.begunInTrouble++;
    const answer = await world.call(deadlineMs);
    if (!counts) return;
    const ms = clock.nowMs() - beganMs;
    course.tookMs.push(ms);
    if (statusOf(answer) === 0 && ms <= deadlineMs) course.answered++;
  };
  const random = world.random();
  const next = () => {
    if (clock.nowMs() >= untilMs) return;
    void call();
    clock.after((-Math.log(1 - random()) * 1000) / incident.callsPerSecond, next);
  };
  clock.after(0, next);
  clock.after(calmMs, () => incident.begin(world));
  await clock.runUntil(untilMs + 2 * deadlineMs);
  const unended = course.begun - course.tookMs.length;
  if (unended > 0) throw new Error(`${incident.name} under ${policy}: ${unended} of ${course.begun} calls never ended`);
  course.sentInTrouble = world.sentAtMs.filter((atMs) => atMs >= calmMs && atMs < overMs).length;
  return course;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
