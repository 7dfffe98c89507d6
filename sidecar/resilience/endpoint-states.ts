// What this process knows of each endpoint by experience: calls under way and whether it is ejected. Outlives
// snapshots, so that a change of configuration does not admit again what was just ejected; forgets endpoints that no
// snapshot names. One per worker; nothing here is shared between processes.

import type { Endpoint } from "../discovery/registry.ts";
import { type Accrual, admitted } from "./failure-accrual.ts";

export interface EndpointState {
  /** Calls under way, streams included. */
  active: number;
  accrual: Accrual;
}

export class EndpointStates {
  readonly #byKey = new Map<string, EndpointState>();
  // The same Endpoint object stands for the whole life of a snapshot, so that a call finds its state without a string.
  #byEndpoint = new WeakMap<Endpoint, EndpointState>();

  of(endpoint: Endpoint): EndpointState {
    const known = this.#byEndpoint.get(endpoint);
    if (known !== undefined) return known;
    const key = keyOf(endpoint);
    let state = this.#byKey.get(key);
    if (state === undefined) {
      state = { active: 0, accrual: admitted };
      this.#byKey.set(key, state);
    }
    this.#byEndpoint.set(endpoint, state);
    return state;
  }

  /** Forgets every endpoint that is not among `endpoints`. */
  retain(endpoints: Iterable<Endpoint>): void {
    const kept = new Set<string>();
    for (const endpoint of endpoints) kept.add(keyOf(endpoint));
    for (const key of this.#byKey.keys()) if (!kept.has(key)) this.#byKey.delete(key);
    this.#byEndpoint = new WeakMap();
  }
}

function keyOf(endpoint: Endpoint): string {
  return `${endpoint.id}@${endpoint.host}:${endpoint.port}`;
}
