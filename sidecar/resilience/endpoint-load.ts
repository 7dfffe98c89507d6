// What one endpoint costs a caller at present, for the balancer: peak EWMA of its response time, and since when it has
// been in rotation. Fed by gate, read by the pickers; kept with the endpoint's other state, so it outlives snapshots.
// Per worker. (Finagle's and linkerd's peak EWMA; the penalty is linkerd's load biaser)
//
// A sample is the time until the reply's header: cheap to see here, and not stretched by a caller that reads slowly. A
// server that sends its header before it has worked looks fast by it, but its calls under way count for as long as
// they last, streams too. Three things make the figure honest:
//   - a failed call counts as 5 s or more, also when the status comes in trailers: failing fast earns nothing
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

export class EndpointLoad {
  /** Undefined until the first sample. */
  #rttMs: number | undefined = undefined;
  #atMs = 0;
  #inRotationSinceMs = 0;
  #isOut = true;

  /** The response time as of now, milliseconds; undefined while nothing is known. */
  rttMs(nowMs: number): number | undefined {
    return this.#rttMs === undefined ? undefined : Math.max(floorMs, this.#faded(this.#rttMs, nowMs));
  }

  /**
   * What one more call would cost, in milliseconds for those that wait before it and itself. `active`: calls under
   * way there, an endpoint of twice the weight counting them half. One that is unknown and idle costs nothing, so it
   * gets one call to be known by; until that is answered it costs as the seed says.
   */
  cost(active: number, nowMs: number): number {
    if (this.#rttMs === undefined) return active === 0 ? 0 : seedMs * (active + 1);
    return Math.max(floorMs, this.#faded(this.#rttMs, nowMs)) * (active + 1);
  }

  /** A reply's header came after `elapsedMs`. */
  replied(elapsedMs: number, nowMs: number): void {
    if (this.#rttMs === undefined) {
      this.#set(elapsedMs, nowMs);
      return;
    }
    const kept = Math.exp((this.#atMs - nowMs) / decayMs);
    const faded = this.#rttMs * kept;
    this.#set(elapsedMs > faded ? elapsedMs : faded + elapsedMs * (1 - kept), nowMs);
  }

  /** A call ended `elapsedMs` after it began, with a reply or without. */
  ended(outcome: Outcome, elapsedMs: number, nowMs: number): void {
    if (isEndpointsFailure(outcome)) {
      this.#raise(Math.min(maxPenaltyMs, Math.max(penaltyMs, outcome.pushbackMs ?? 0)), nowMs);
    } else if (outcome.status === Status.CANCELLED && outcome.failure !== "superseded") {
      this.#raise(elapsedMs, nowMs);
    }
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

  #faded(rttMs: number, nowMs: number): number {
    const age = (nowMs - this.#atMs) / decayMs;
    // Of an endpoint in use the sample is young: the series is then true to 0.002 % and spares the exponential.
    return age < 0.05 ? rttMs * (1 - age * (1 - age / 2)) : rttMs * Math.exp(-age);
  }

  /** Never lowers. */
  #raise(toMs: number, nowMs: number): void {
    const now = this.#rttMs === undefined ? 0 : this.#faded(this.#rttMs, nowMs);
    if (toMs > now) this.#set(toMs, nowMs);
  }

  #set(rttMs: number, nowMs: number): void {
    this.#rttMs = rttMs;
    this.#atMs = nowMs;
  }
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
