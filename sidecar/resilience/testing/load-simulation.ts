// Endpoints that work at their own pace, and a picker that sends them calls: what tests of balancing count shares with.
// Calls arrive at random (Poisson); each takes as long as its endpoint says, and ends as it says. Seeded: the same
// every time.

import { type Random, seededRandom } from "../../../common/random.ts";
import { TestingClock } from "../../../common/testing-clock.ts";
import type { Endpoint } from "../../discovery/registry.ts";
import { Status } from "../../grpc/status.ts";
import type { Balancer } from "../../routing/policy/balance-policy.ts";
import { type EndpointState, EndpointStates } from "../endpoint-states.ts";
import type { Ask, Picker, Pool } from "../pick-pool.ts";
import { Pools } from "../pools.ts";

export interface SimulatedEndpoint {
  /** Default: 1. */
  readonly weight?: number;
  /** What a call takes, milliseconds. Undefined: it never answers, and its caller gives up after a second. */
  readonly serveMs: ((random: Random) => number) | undefined;
  /** How a call ends; default: OK. */
  readonly status?: number;
}

export interface Simulation {
  readonly endpoints: readonly SimulatedEndpoint[];
  readonly balancer: Balancer;
  readonly pick: Picker;
  readonly callsPerSecond: number;
  readonly calls: number;
  readonly slowStartMs?: number;
  /** Default: 1. */
  readonly seed?: number;
}

const patienceMs = 1_000;

/** The part of the calls that each endpoint got. */
export function simulateShares(simulation: Simulation): readonly number[] {
  const random = seededRandom(simulation.seed ?? 1);
  const endpoints = simulation.endpoints.map(({ weight = 1 }, index) => endpointOf(`e${index}`, weight));
  const { pool, ask } = poolOf(endpoints, simulation.balancer, random);
  ask.slowStartMs = simulation.slowStartMs ?? 0;
  const counts = simulation.endpoints.map(() => 0);
  const ends: { readonly atMs: number; end(): void }[] = [];
  for (let call = 0; call < simulation.calls; call++) {
    ask.nowMs += (-Math.log(1 - random()) * 1_000) / simulation.callsPerSecond;
    const arrivalMs = ask.nowMs;
    for (let first = earliest(ends); first !== -1 && ends[first]!.atMs <= arrivalMs; first = earliest(ends)) {
      ends.splice(first, 1)[0]!.end();
    }
    const index = simulation.pick(pool, ask);
    counts[index]!++;
    const { state } = pool.members[index]!;
    const { serveMs, status = Status.OK } = simulation.endpoints[index]!;
    const takesMs = serveMs?.(random) ?? patienceMs;
    const outcome = { status: serveMs === undefined ? Status.CANCELLED : status, httpStatus: 0, failure: undefined };
    state.active++;
    const atMs = arrivalMs + takesMs;
    ends.push({
      atMs,
      end() {
        state.active--;
        if (serveMs !== undefined) state.load.replied(takesMs, atMs);
        state.load.ended(outcome, { method: "/s/M", elapsedMs: takesMs, nowMs: atMs });
      },
    });
  }
  return counts.map((count) => count / simulation.calls);
}

function earliest(ends: readonly { readonly atMs: number }[]): number {
  let first = -1;
  for (let i = 0; i < ends.length; i++) if (first === -1 || ends[i]!.atMs < ends[first]!.atMs) first = i;
  return first;
}

export function endpointOf(id: string, weight = 1): Endpoint {
  return { id, service: "s", version: "", host: id, port: 1, weight, health: "passing", meta: {} };
}

export function poolOf(
  endpoints: readonly Endpoint[],
  balancer: Balancer,
  random: Random = seededRandom(1),
): { readonly pool: Pool; readonly ask: Ask; stateOf(index: number): EndpointState } {
  const pool = new Pools({ states: new EndpointStates(), clock: new TestingClock() }).of(endpoints, balancer)!;
  const ask: Ask = { nowMs: 0, method: "/s/M", tried: [], slowStartMs: 0, hash: undefined, out: undefined, random };
  return { pool, ask, stateOf: (index) => pool.members[index]!.state };
}
