// What this process knows of each endpoint by experience: calls under way, and what is ejected. Outlives snapshots, so
// that a change of configuration does not admit again what was just ejected; forgets endpoints that no snapshot names.
// Per worker: nothing here is shared between processes.
//
// An endpoint has one admission as a whole and one for each method that descriptors know; methods that nobody knows
// share one, because paths are the caller's to invent.
//
// Hot: `of` and `ofMethod` run for every try; one look into a map each.

import type { Endpoint } from "../discovery/registry.ts";
import { Admission } from "./admission.ts";
import { EndpointLoad } from "./endpoint-load.ts";
import type { Accrual } from "./failure-accrual.ts";

/** A service with more methods than this has the rest judged together. */
const maxMethods = 256;

export class EndpointState {
  /** Calls under way, streams included. */
  active = 0;
  /** What it costs a caller at present. */
  readonly load = new EndpointLoad();
  readonly whole = new Admission("");
  /** No longer named by any snapshot; calls to it may still end. */
  isForgotten = false;
  readonly #other = new Admission("other");
  readonly #byMethod = new Map<string, Admission>();

  /** The admission of the method with this path. `isKnown`: by a descriptor. Made when it is not there. */
  ofMethod(path: string, isKnown: boolean): Admission {
    if (!isKnown) return this.#other;
    const known = this.#byMethod.get(path);
    if (known !== undefined) return known;
    if (this.#byMethod.size >= maxMethods) return this.#other;
    const created = new Admission(path);
    this.#byMethod.set(path, created);
    return created;
  }

  /** Those that are ejected or probing. */
  get outMethods(): readonly Admission[] {
    return [this.#other, ...this.#byMethod.values()].filter(({ accrual }) => accrual.state !== "admitted");
  }

  /** Ejected or probing, as a whole or for the method. Makes nothing. */
  isOut(path: string, isKnown: boolean): boolean {
    if (this.whole.accrual.state !== "admitted") return true;
    const own = isKnown ? this.#byMethod.get(path) : this.#other;
    return own !== undefined && own.accrual.state !== "admitted";
  }

  /** How many of its admissions are not admitted. */
  get outCount(): number {
    return this.outMethods.length + (this.whole.accrual.state === "admitted" ? 0 : 1);
  }
}

export class EndpointStates {
  readonly #byKey = new Map<string, EndpointState>();
  // The same Endpoint object stands for the whole life of a snapshot, so that a call finds its state without a string.
  #byEndpoint = new WeakMap<Endpoint, EndpointState>();
  #version = 0;
  #outCount = 0;

  /** Counts up with every change of an admission between admitted, ejected and probing. */
  get version(): number {
    return this.#version;
  }

  /** Whether anything at all is ejected or probing, for whatever method. */
  get isAnyOut(): boolean {
    return this.#outCount > 0;
  }

  of(endpoint: Endpoint): EndpointState {
    const known = this.#byEndpoint.get(endpoint);
    if (known !== undefined) return known;
    const key = keyOf(endpoint);
    let state = this.#byKey.get(key);
    if (state === undefined) {
      state = new EndpointState();
      this.#byKey.set(key, state);
    }
    this.#byEndpoint.set(endpoint, state);
    return state;
  }

  /** Puts one of `state`'s admissions where it belongs after a transition. */
  move(state: EndpointState, admission: Admission, next: Accrual): void {
    const before = admission.accrual.state;
    admission.accrual = next;
    if (before === next.state) return;
    admission.since = ++this.#version;
    if (next.state === "admitted") admission.rate.clear();
    if (state.isForgotten) return;
    if (before === "admitted") this.#outCount++;
    else if (next.state === "admitted") this.#outCount--;
  }

  /** Forgets every endpoint that is not among `endpoints`. */
  retain(endpoints: Iterable<Endpoint>): void {
    const kept = new Set<string>();
    for (const endpoint of endpoints) {
      const key = keyOf(endpoint);
      kept.add(key);
      if (endpoint.health === "critical" || endpoint.weight <= 0) this.#byKey.get(key)?.load.leave();
    }
    for (const [key, state] of this.#byKey) {
      if (kept.has(key)) continue;
      this.#byKey.delete(key);
      state.isForgotten = true;
      this.#outCount -= state.outCount;
    }
    this.#byEndpoint = new WeakMap();
  }
}

function keyOf(endpoint: Endpoint): string {
  return `${endpoint.id}@${endpoint.host}:${endpoint.port}`;
}
