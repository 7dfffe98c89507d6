// Makes the pools that pickers choose from, one for each target of a snapshot. Called by balance when it meets the
// candidates of a new snapshot, so what is done here is not done per call. What an endpoint is known for lives in
// EndpointStates and hash tables in HashTables, and both outlive the pool.

import type { Clock } from "../../common/clock.ts";
import type { Endpoint } from "../discovery/registry.ts";
import type { Balancer } from "../routing/policy/balance-policy.ts";
import type { EndpointStates } from "./endpoint-states.ts";
import { HashTables } from "./hash-table.ts";
import type { Pool } from "./pick-pool.ts";
import { turnsOf } from "./pick-round-robin.ts";

export class Pools {
  readonly #states: EndpointStates;
  readonly #clock: Clock;
  readonly #tables = new HashTables();
  // A new pool's turn begins one further on: with snapshots that change often, the first would else get the most.
  #firstTurn = 0;

  constructor({ states, clock }: { readonly states: EndpointStates; readonly clock: Clock }) {
    this.#states = states;
    this.#clock = clock;
  }

  /** Of a target's endpoints that may be dialed; undefined when there is none. */
  of(healthy: readonly Endpoint[], balancer: Balancer): Pool | undefined {
    if (healthy.length === 0) return undefined;
    const isHashed = balancer.kind === "ring_hash" || balancer.kind === "maglev";
    const endpoints = isHashed ? healthy.toSorted((a, b) => (a.id < b.id ? -1 : 1)) : healthy;
    const nowMs = this.#clock.nowMs();
    const weights = endpoints.map(({ weight }) => weight);
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    const isEven = weights.every((weight) => weight === weights[0]);
    const members = endpoints.map((endpoint) => {
      const state = this.#states.of(endpoint);
      state.load.join(nowMs);
      return { endpoint, state, weight: isEven ? 1 : endpoint.weight / mean };
    });
    return {
      members,
      upTo: isEven ? undefined : cumulative(weights),
      turns: balancer.kind === "round_robin" ? turnsOf(weights) : [],
      turn: this.#firstTurn++,
      table: this.#tables.of(endpoints, balancer),
    };
  }
}

function cumulative(weights: readonly number[]): readonly number[] {
  let sum = 0;
  return weights.map((weight) => {
    sum += weight;
    return sum;
  });
}
