// What every picker chooses from: the endpoints of one target that the registry calls healthy, worked out once for a
// snapshot, and the question that a call asks of them. Made by balance.ts; pure but for the turn of round robin.
//
// Hot: drawMember runs once or twice for every try (bench/micro/balance.ts).

import type { Random } from "../../common/random.ts";
import type { Endpoint } from "../discovery/registry.ts";
import type { EndpointState } from "./endpoint-states.ts";
import type { HashTable } from "./hash-table.ts";

export interface Member {
  readonly endpoint: Endpoint;
  /** The endpoint's own, looked up once. */
  readonly state: EndpointState;
  /** Relative to the others: 1 on average. */
  readonly weight: number;
}

export interface Pool {
  /** At least one. */
  readonly members: readonly Member[];
  /** Cumulative weights; undefined when all are equal. */
  readonly upTo: readonly number[] | undefined;
  /** For round robin: where the turn is. */
  turn: number;
  /** For round robin: indices of members, one of weight n standing n times. */
  readonly turns: readonly number[];
  /** For ring_hash and maglev. */
  readonly table: HashTable | undefined;
}

/** What one call asks. The same object is filled in for each call, so that asking makes no garbage. */
export interface Ask {
  nowMs: number;
  /** As the endpoint's admissions name it: a path that a descriptor knows, or `other`. */
  method: string;
  /** Endpoints that earlier tries went to; others are preferred. */
  tried: readonly Endpoint[];
  /** The window of slow start, milliseconds; 0 for none. */
  slowStartMs: number;
  /** The request's hash, 32 bits; undefined when it has nothing to make one of. */
  hash: number | undefined;
  readonly random: Random;
  /** Endpoints that the breaker does not let this call through to now; undefined: none. */
  out: ReadonlySet<EndpointState> | undefined;
}

/** The index of the member that gets the call; -1 when none is admitted and untried. */
export type Picker = (pool: Pool, ask: Ask) => number;

export function mayPick({ endpoint, state }: Member, ask: Ask): boolean {
  return (ask.tried.length === 0 || !isTried(endpoint, ask)) && (ask.out === undefined || !ask.out.has(state));
}

function isTried(endpoint: Endpoint, { tried }: Ask): boolean {
  for (let i = 0; i < tried.length; i++) if (tried[i]!.id === endpoint.id) return true;
  return false;
}

/** Draws that chance gets before members are looked through in order. */
const maxDraws = 8;

/** A member that may be picked, by chance and weight; -1 for none. `except`: an index that is not wanted, or -1. */
export function drawMember(pool: Pool, ask: Ask, except: number): number {
  const { members } = pool;
  // Nothing to draw: chance would be asked eight times in vain for a second one.
  if (members.length === 1) return except !== 0 && mayPick(members[0]!, ask) ? 0 : -1;
  const warmest = ask.slowStartMs === 0 ? 1 : warmestOf(members, ask);
  for (let draw = 0; draw < maxDraws; draw++) {
    const index = drawByWeight(pool, ask.random);
    if (index === except || !mayPick(members[index]!, ask)) continue;
    if (isWarmEnough(members[index]!, ask, warmest)) return index;
  }
  const start = Math.floor(ask.random() * members.length);
  for (let i = 0; i < members.length; i++) {
    const index = (start + i) % members.length;
    if (index !== except && mayPick(members[index]!, ask)) return index;
  }
  return -1;
}

function drawByWeight({ members, upTo }: Pool, random: Random): number {
  if (upTo === undefined) return Math.floor(random() * members.length);
  const point = random() * upTo[upTo.length - 1]!;
  let low = 0;
  let high = upTo.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (upTo[middle]! > point) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Under slow start a member gets its turn as often as it is warm, compared with the warmest. */
export function isWarmEnough({ state }: Member, ask: Ask, warmest: number): boolean {
  if (ask.slowStartMs === 0) return true;
  const warmth = state.load.warmth(ask.slowStartMs, ask.nowMs);
  return warmth >= warmest || ask.random() * warmest < warmth;
}

/** A member's weight as slow start leaves it. */
export function weightOf({ state, weight }: Member, { slowStartMs, nowMs }: Ask): number {
  return slowStartMs === 0 ? weight : weight * state.load.warmth(slowStartMs, nowMs);
}

/** When all are equally new there is nobody to spare them. */
export function warmestOf(members: readonly Member[], ask: Ask): number {
  let warmest = 0;
  for (const { state } of members) warmest = Math.max(warmest, state.load.warmth(ask.slowStartMs, ask.nowMs));
  return warmest;
}
