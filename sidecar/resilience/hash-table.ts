// What ring hash and maglev have in common: a table of positions, each owned by a member of a pool. And the store that
// keeps tables: the same endpoints with the same weights have the same table in the next snapshot, so a change of
// something else builds nothing. Tables depend on ids and weights alone: every sidecar has the same.

import type { Endpoint } from "../discovery/registry.ts";
import type { Balancer } from "../routing/policy/balance-policy.ts";
import { maglevTable } from "./maglev-table.ts";
import { ringTable } from "./ring-table.ts";

export interface HashTable {
  /** By position: the index of the member that owns it, in order of ids. */
  readonly owners: Uint32Array;
  /** Where a hash of 32 bits falls. */
  positionOf(hash: number): number;
}

/** Oldest first out. A pool keeps its table, so one that is forgotten is at worst built again with a new snapshot. */
const maxTables = 16;

export class HashTables {
  readonly #tables = new Map<string, HashTable>();

  /** `endpoints` in order of ids. Undefined for a balancer that does not hash. */
  of(endpoints: readonly Endpoint[], balancer: Balancer): HashTable | undefined {
    if (balancer.kind !== "ring_hash" && balancer.kind !== "maglev") return undefined;
    const sizes = balancer.kind === "ring_hash" ? `${balancer.minPoints} ${balancer.maxPoints}` : "";
    const members = endpoints.map(({ id, weight }) => `${weight} ${id}`);
    const key = `${balancer.kind} ${sizes} ${members.join("\n")}`;
    const known = this.#tables.get(key);
    this.#tables.delete(key);
    const table = known ?? (balancer.kind === "maglev" ? maglevTable(endpoints) : ringTable(endpoints, balancer));
    this.#tables.set(key, table);
    if (this.#tables.size > maxTables) this.#tables.delete(this.#tables.keys().next().value!);
    return table;
  }
}
