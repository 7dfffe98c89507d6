// What one endpoint costs a caller at present, for the balancer: peak EWMA of its response time, penalties for calls
// that failed, and since when it has been in rotation. Fed by gate, read by the pickers; kept with the endpoint's other
// state, so it outlives snapshots. Per worker. (peak EWMA: Finagle, linkerd; the penalty: linkerd's load biaser)
//
// A sample is the time until the reply's header: cheap to see here, and not stretched by a caller that reads slowly. A
// server that sends its header before it has worked looks fast by it, but its calls under way count for as long as
// they last, streams too. Three things make the figure honest:
//   - a failed call counts as 5 s or more, also when the status comes in trailers: failing fast earns nothing. It
//     counts for calls of the same method, or for all when nothing got through: one broken method costs the others
//     nothing. Calls that go well in between lower it, so that of two endpoints that fail the one that fails less wins
//   - a call that was cut off counts with the time it had taken, if that is more: a black hole gets heavy
//   - what is not heard of again fades, so that a bad moment is forgotten without a sample

import type { Outcome } from "../call.ts";
import { failures } from "../failure.ts";
import { Status } from "../grpc/status.ts";

/** How fast the past fades. */
export const decayMs = 10_000;
/** Stands for the response time of an endpoint whose first reply is still awaited. */
export const seedMs = 30;
/** What a failed call counts as; the endpoint's own pushback may say more. */
export const penaltyMs = 5_000;
const maxPenaltyMs = 300_000;
/** Less is noise; also what an endpoint fades to that gets no calls. */
const floorMs = 0.1;
/** The share that an endpoint starts with. */
const coldShare = 0.1;

/** The end of a call, as far as the outcome does not tell. */
export interface CallEnd {
  /** As Admission has it: a path, or `other`. */
  readonly method: string;
  readonly elapsedMs: number;
  readonly nowMs: number;
}

interface Penalty {
  ms: number;
  atMs: number;
  /** How many of the calls since the first failure failed, the latest counting most: who fails all costs more. */
  share: number;
}

/** How much of `share` each call is. */
const shareStep = 0.1;

/** The key of penalties that count for every method. */
const everyMethod = "";

export class EndpointLoad {
  /** Undefined until the first sample. */
  #rttMs: number | undefined = undefined;
  #atMs = 0;
  /** By method, no more than admissions know; only while they matter. */
  readonly #penalties = new Map<string, Penalty>();
  #inRotationSinceMs = 0;
  #isOut = true;

  /**
   * What one more call of `method` would cost, in milliseconds for those that wait before it and itself. `active`:
   * calls under way there, an endpoint of twice the weight counting them half. One that is unknown and idle costs
   * nothing, so it gets one call to be known by; until that is answered it costs as the seed says.
   */
  cost(active: number, method: string, nowMs: number): number {
    const ms = this.#rttMs === undefined ? unknownMs(active) : Math.max(floorMs, faded(this.#rttMs, this.#atMs, nowMs));
    if (this.#penalties.size === 0) return ms * (active + 1);
    // Who fails at once has nobody waiting: those that wait elsewhere must not make that look good.
    const penaltyMs = Math.max(this.#penaltyMs(everyMethod, nowMs), this.#penaltyMs(method, nowMs));
    return Math.max(ms, penaltyMs) + ms * active;
  }

  /** A reply's header came after `elapsedMs`. */
  replied(elapsedMs: number, nowMs: number): void {
    if (this.#rttMs === undefined) {
      this.#set(elapsedMs, nowMs);
      return;
    }
    const kept = faded(1, this.#atMs, nowMs);
    const before = this.#rttMs * kept;
    this.#set(elapsedMs > before ? elapsedMs : before + elapsedMs * (1 - kept), nowMs);
  }

  /** A call of `method` (as CallEnd has it) was answered with OK. */
  wentWell(method: string): void {
    if (this.#penalties.size === 0) return;
    this.#ease(method);
    this.#ease(everyMethod);
  }

  /** A call ended otherwise. */
  ended(outcome: Outcome, { method, elapsedMs, nowMs }: CallEnd): void {
    if (isEndpointsFailure(outcome)) {
      const ms = Math.min(maxPenaltyMs, Math.max(penaltyMs, outcome.pushbackMs ?? 0));
      this.#punish(neverGotThrough(outcome) ? everyMethod : method, ms, nowMs);
    }
    const isCutOff = outcome.status === Status.CANCELLED || outcome.status === Status.DEADLINE_EXCEEDED;
    if (isCutOff && outcome.failure !== "superseded") this.#raise(elapsedMs, nowMs);
  }

  /** Forgets what calls of `method` (empty: those that got nowhere) did wrong: it was tried again and is well. */
  pardon(method: string): void {
    this.#penalties.delete(method);
  }

  /** The registry no longer counts the endpoint as healthy. */
  leave(): void {
    this.#isOut = true;
  }

  /** It is in rotation as of now, unless it was before. */
  join(nowMs: number): void {
    if (this.#isOut) this.startSlowly(nowMs);
  }

  /** Slow start begins (again), for example after an ejection. */
  startSlowly(nowMs: number): void {
    this.#isOut = false;
    this.#inRotationSinceMs = nowMs;
  }

  /** The part of its share that the endpoint gets under a slow start of `windowMs`: 0.1 to 1. */
  warmth(windowMs: number, nowMs: number): number {
    return Math.min(1, Math.max(coldShare, (nowMs - this.#inRotationSinceMs) / windowMs));
  }

  #penaltyMs(method: string, nowMs: number): number {
    const penalty = this.#penalties.get(method);
    if (penalty === undefined) return 0;
    const ms = faded(penalty.ms, penalty.atMs, nowMs);
    if (ms < floorMs) this.#penalties.delete(method);
    return ms * penalty.share;
  }

  /** Never lowers. */
  #punish(method: string, ms: number, nowMs: number): void {
    const known = this.#penalties.get(method);
    if (known === undefined) {
      this.#penalties.set(method, { ms, atMs: nowMs, share: 1 });
      return;
    }
    known.share += (1 - known.share) * shareStep;
    if (ms < faded(known.ms, known.atMs, nowMs)) return;
    known.ms = ms;
    known.atMs = nowMs;
  }

  #ease(method: string): void {
    const penalty = this.#penalties.get(method);
    if (penalty !== undefined) penalty.share *= 1 - shareStep;
  }

  /** Never lowers. */
  #raise(toMs: number, nowMs: number): void {
    if (this.#rttMs === undefined || toMs > faded(this.#rttMs, this.#atMs, nowMs)) this.#set(toMs, nowMs);
  }

  #set(rttMs: number, nowMs: number): void {
    this.#rttMs = rttMs;
    this.#atMs = nowMs;
  }
}

function unknownMs(active: number): number {
  return active === 0 ? 0 : seedMs;
}

function faded(ms: number, atMs: number, nowMs: number): number {
  const age = (nowMs - atMs) / decayMs;
  // Of an endpoint in use the sample is young: the series is then true to 0.002 % and spares the exponential.
  return age < 0.05 ? ms * (1 - age * (1 - age / 2)) : ms * Math.exp(-age);
}

/** Nothing came through to an application, whatever the method. */
function neverGotThrough({ failure }: Outcome): boolean {
  return failure === "connect_failed" || failure === "connect_timeout" || failure === "connection_lost";
}

/** Whether the outcome speaks against the endpoint; what its caller, a test or our own drain did does not. */
export function isEndpointsFailure({ status, failure }: Outcome): boolean {
  if (failure === "drain_timeout" || failure === "superseded") return false;
  if (failure !== undefined && (failures[failure].fault === "caller" || failures[failure].fault === "config"))
    return false;
  switch (status) {
    case Status.UNAVAILABLE:
    case Status.RESOURCE_EXHAUSTED:
    case Status.INTERNAL:
    case Status.DEADLINE_EXCEEDED:
    case Status.UNKNOWN:
    case Status.DATA_LOSS:
      return true;
    default:
      return false;
  }
}
