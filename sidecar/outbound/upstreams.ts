// The snapshots in force, one for each upstream, as the data part sees them: compiled to route tables and swapped
// whole. The control part calls `apply`; the route layer asks. A call keeps the table that it began with.

import { type Clock, wait } from "../../common/clock.ts";
import type { Endpoint } from "../discovery/registry.ts";
import type { EndpointStates } from "../resilience/endpoint-states.ts";
import { compileRouteTable, type RouteTable } from "../routing/route-table.ts";
import type { Snapshot } from "../routing/snapshot.ts";

export interface UpstreamsDeps {
  readonly clock: Clock;
  readonly states: EndpointStates;
  /** Asks the control part to begin to watch an upstream that a call named and nobody declared. */
  want(upstream: string): void;
}

export class Upstreams {
  readonly #deps: UpstreamsDeps;
  readonly #tables = new Map<string, RouteTable>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #waiting = new Map<string, Promise<void>>();
  readonly #wake = new Map<string, () => void>();

  constructor(deps: UpstreamsDeps) {
    this.#deps = deps;
  }

  /** Puts a snapshot in force, all at once. */
  apply(snapshot: Snapshot): void {
    this.#snapshots.set(snapshot.upstream, snapshot);
    this.#tables.set(snapshot.upstream, compileRouteTable(snapshot));
    this.#deps.states.retain(this.#endpoints());
    this.#wake.get(snapshot.upstream)?.();
  }

  /** The table in force, or undefined when the upstream is not known yet. */
  table(upstream: string): RouteTable | undefined {
    return this.#tables.get(upstream);
  }

  /** The table of an upstream that nobody declared: asked for now, waited for at most `timeoutMs`. */
  async tableSoon(upstream: string, timeoutMs: number): Promise<RouteTable | undefined> {
    await Promise.race([this.ask(upstream), wait(this.#deps.clock, timeoutMs)]);
    return this.#tables.get(upstream);
  }

  /** Has an upstream that nobody declared watched from now on; resolves when its first table is here. */
  ask(upstream: string): Promise<void> {
    let arrival = this.#waiting.get(upstream);
    if (arrival === undefined) {
      arrival = new Promise((resolve) => this.#wake.set(upstream, resolve));
      this.#waiting.set(upstream, arrival);
      this.#deps.want(upstream);
    }
    return arrival;
  }

  snapshots(): readonly Snapshot[] {
    return [...this.#snapshots.values()];
  }

  *#endpoints(): Generator<Endpoint> {
    for (const snapshot of this.#snapshots.values()) {
      for (const endpoints of Object.values(snapshot.endpoints)) yield* endpoints;
    }
  }
}
