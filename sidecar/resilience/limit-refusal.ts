// What a call is told that got no place: UNAVAILABLE, and when to come again. Used by every limit.

import type { Random } from "../../common/random.ts";
import type { Call } from "../call.ts";
import { noteDecision } from "../decision.ts";
import { ProxyFailure } from "../failure.ts";

/** What a caller that finds everything just full is told to wait, on average. */
const typicalMs = 200;
/** Pushbacks are told in steps, so that thousands of refusals share a few prepared replies (grpc/failure-reply.ts). */
const stepMs = 25;

/**
 * When to come again, milliseconds: by how full it is (1: every place is taken; more: calls wait as well), and
 * scattered by half around that, so that those who were refused together do not come back together. 25 to 600; pure.
 */
export function pushbackMs(fullness: number, random: number): number {
  const ms = typicalMs * Math.min(fullness, 2) * (0.5 + random);
  return Math.max(1, Math.round(ms / stepMs)) * stepMs;
}

export interface Fullness {
  readonly inFlight: number;
  readonly pending: number;
  readonly limit: number;
}

export interface Refusal {
  readonly call: Call;
  readonly places: Fullness;
  /** Whose limit it is, as `quote-query`; empty for the process's. */
  readonly where: string;
  readonly nowMs: number;
  readonly random: Random;
}

/** The failure of a call that got no place, which is noted with the call. */
export function overloaded({ call, places, where, nowMs, random }: Refusal): ProxyFailure {
  const { inFlight, pending, limit } = places;
  const waiting = pending === 0 ? "" : ` and ${pending} wait`;
  const detail = `${inFlight} calls are under way${waiting}, the limit is ${limit}`;
  noteDecision(call, "shed", nowMs, detail);
  const failure = new ProxyFailure("overloaded", where, detail);
  failure.pushbackMs = pushbackMs((inFlight + pending) / limit, random());
  return failure;
}
