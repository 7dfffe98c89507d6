import { describe, expect, test } from "vitest";
import { stringHash } from "../../common/string-hash.ts";
import type { Endpoint } from "../discovery/registry.ts";
import type { Balancer } from "../routing/policy/balance-policy.ts";
import { type HashTable, HashTables } from "./hash-table.ts";
import { ringTable } from "./ring-table.ts";
import { endpointOf } from "./testing/load-simulation.ts";

const ring: Balancer = { kind: "ring_hash", minPoints: 1_024, maxPoints: 8_388_608, hash: [] };
const maglev: Balancer = { kind: "maglev", hash: [] };
const keys = Array.from({ length: 20_000 }, (_, index) => stringHash(`user-${index}`, 7));

/** In order of ids, as pools have them. */
function instances(count: number, weightOf: (index: number) => number = () => 1): readonly Endpoint[] {
  return Array.from({ length: count }, (_, index) =>
    endpointOf(`quote-query-${String(index).padStart(4, "0")}`, weightOf(index)),
  );
}

function ownersOf(endpoints: readonly Endpoint[], balancer: Balancer): readonly string[] {
  const table: HashTable = new HashTables().of(endpoints, balancer)!;
  return keys.map((key) => endpoints[table.owners[table.positionOf(key)]!]!.id);
}

/** Of the keys that were not on what is gone (or are not on what is new), the part that moved to another endpoint. */
function movedPart(before: readonly Endpoint[], after: readonly Endpoint[], balancer: Balancer): number {
  const [from, to] = [ownersOf(before, balancer), ownersOf(after, balancer)];
  const [old, now] = [before, after].map((endpoints) => new Set(endpoints.map(({ id }) => id)));
  const stays = from.map((id, index) => now!.has(id) && old!.has(to[index]!));
  const moved = from.filter((id, index) => stays[index] && id !== to[index]);
  return moved.length / stays.filter((stay) => stay).length;
}

describe.each([
  ["ring_hash", ring],
  ["maglev", maglev],
] as const)("%s", (kind, balancer) => {
  test.each([0, 41, 99])("when endpoint %i of 100 goes, less than 2 %% of the others' keys move", (gone) => {
    const all = instances(100);
    expect(movedPart(all, all.toSpliced(gone, 1), balancer)).toBeLessThan(0.02);
  });

  test("when one comes to 100, less than 2 % of the keys move among those that were there", () => {
    const all = instances(101);
    expect(movedPart(all.toSpliced(50, 1), all, balancer)).toBeLessThan(0.02);
  });

  test("with mixed weights too", () => {
    const all = instances(100, (index) => 1 + (index % 4));
    expect(movedPart(all, all.toSpliced(3, 1), balancer)).toBeLessThan(0.02);
  });

  test("endpoints get keys by weight: 1:3 gives 25 % +- 2 to the lighter", () => {
    const owners = ownersOf(
      instances(2, (index) => (index === 0 ? 1 : 3)),
      balancer,
    );
    const share = owners.filter((id) => id.endsWith("0000")).length / keys.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(0.02);
  });

  test(`of 20 equal endpoints none is more than ${kind === "maglev" ? 10 : 20} % off its share`, () => {
    const counts = new Map<string, number>();
    for (const id of ownersOf(instances(20), balancer)) counts.set(id, (counts.get(id) ?? 0) + 1);
    const worst = Math.max(...[...counts.values()].map((count) => Math.abs(count / (keys.length / 20) - 1)));
    expect(counts.size).toBe(20);
    expect(worst).toBeLessThan(kind === "maglev" ? 0.1 : 0.2);
  });

  test("the table of the same endpoints is built once, whatever snapshot they are in", () => {
    const tables = new HashTables();
    const first = tables.of(instances(10), balancer);
    expect(tables.of(instances(10), balancer)).toBe(first);
    expect(tables.of(instances(9), balancer)).not.toBe(first);
    expect(tables.of(instances(10), balancer)).toBe(first);
  });
});

describe("ring sizes", () => {
  const sizeOf = (count: number, minPoints: number, maxPoints: number) =>
    ringTable(instances(count), { minPoints, maxPoints }).owners.length;

  test("a ring has at least the minimum, and as many as make it stable when endpoints are many", () => {
    expect([1, 2, 10, 1_000].map((count) => sizeOf(count, 1_024, 8_388_608))).toEqual([1_024, 1_024, 5_120, 131_000]);
  });

  test("a ring has no more than the maximum, but a point for each endpoint", () => {
    expect(sizeOf(10, 1_024, 1_000)).toBe(1_000);
    expect(sizeOf(10, 4, 4)).toBe(10);
  });
});
