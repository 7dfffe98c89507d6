import { describe, expect, test } from "vitest";
import { stringHash } from "../../common/string-hash.ts";
import type { Balancer } from "../routing/policy/balance-policy.ts";
import { pickByHash } from "./pick-by-hash.ts";
import { endpointOf, poolOf } from "./testing/load-simulation.ts";

const balancers: readonly Balancer[] = [
  { kind: "ring_hash", minPoints: 1_024, maxPoints: 8_388_608, hash: [] },
  { kind: "maglev", hash: [] },
];

describe.each(balancers)("$kind", (balancer) => {
  const set = () =>
    poolOf(
      ["a", "b", "c", "d", "e"].map((id) => endpointOf(id)),
      balancer,
    );

  test("the same hash goes to the same endpoint, in whatever order endpoints are registered", () => {
    const other = poolOf(
      ["d", "a", "e", "c", "b"].map((id) => endpointOf(id)),
      balancer,
    );
    const { pool, ask } = set();
    for (let user = 0; user < 100; user++) {
      ask.hash = stringHash(`user-${user}`, 0);
      const { endpoint } = pool.members[pickByHash(pool, ask)]!;
      expect(pool.members[pickByHash(pool, ask)]!.endpoint).toBe(endpoint);
      other.ask.hash = ask.hash;
      expect(other.pool.members[pickByHash(other.pool, other.ask)]!.endpoint.id).toBe(endpoint.id);
    }
  });

  test("the keys of an ejected endpoint are shared by all others and come back; no other key moves", () => {
    const { pool, ask, stateOf } = set();
    const homes = Array.from({ length: 2_000 }, (_, user) => {
      ask.hash = stringHash(`user-${user}`, 0);
      return pickByHash(pool, ask);
    });
    ask.out = new Set([stateOf(2)]);
    const refuges = [0, 0, 0, 0, 0];
    for (const [user, home] of homes.entries()) {
      ask.hash = stringHash(`user-${user}`, 0);
      const index = pickByHash(pool, ask);
      if (home === 2) refuges[index]!++;
      else expect(index).toBe(home);
    }
    expect(refuges[2]).toBe(0);
    for (const index of [0, 1, 3, 4]) expect(refuges[index]).toBeGreaterThan(40);
  });

  test("another try goes to another endpoint, the same for all tries of that key", () => {
    const { pool, ask } = set();
    ask.hash = 12_345;
    ask.tried = [pool.members[pickByHash(pool, ask)]!.endpoint];
    const second = pickByHash(pool, ask);
    expect(pool.members[second]!.endpoint).not.toBe(ask.tried[0]);
    expect(pickByHash(pool, ask)).toBe(second);
  });

  test("finds the last endpoint that is left, and says when none is", () => {
    const { pool, ask, stateOf } = set();
    ask.hash = 99;
    ask.out = new Set([0, 1, 3, 4].map(stateOf));
    expect(pickByHash(pool, ask)).toBe(2);
    ask.out = new Set([0, 1, 2, 3, 4].map(stateOf));
    expect(pickByHash(pool, ask)).toBe(-1);
  });

  test("calls without a hash go to any endpoint", () => {
    const { pool, ask } = set();
    expect(new Set(Array.from({ length: 200 }, () => pickByHash(pool, ask))).size).toBe(5);
  });
});
