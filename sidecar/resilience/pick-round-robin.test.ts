import { expect, test } from "vitest";
import type { Endpoint } from "../discovery/registry.ts";
import { pickRoundRobin, turnsOf } from "./pick-round-robin.ts";
import { endpointOf, poolOf } from "./testing/load-simulation.ts";

function picks(count: number, options: { tried?: readonly Endpoint[]; out?: readonly number[] } = {}): string {
  const { pool, ask, stateOf } = poolOf(
    ["a", "b", "c"].map((id) => endpointOf(id)),
    { kind: "round_robin" },
  );
  ask.tried = options.tried ?? [];
  if (options.out !== undefined) ask.out = new Set(options.out.map(stateOf));
  return Array.from({ length: count }, () => "abc"[pickRoundRobin(pool, ask)] ?? "-").join("");
}

test("takes the endpoints in turn", () => {
  expect(picks(7)).toBe("abcabca");
});

test("an ejected endpoint's turns are shared by all others, not inherited by the next", () => {
  expect(picks(6, { out: [0] })).toBe("bcbcbc");
});

test("skips ejected endpoints and those that the call has tried", () => {
  expect(picks(2, { tried: [endpointOf("b")], out: [0] })).toBe("cc");
});

test("picks nobody when all are ejected or tried", () => {
  expect(picks(1, { tried: [endpointOf("b"), endpointOf("c")], out: [0] })).toBe("-");
});

test("an endpoint of weight 3 gets three turns where one of weight 1 gets one, not all in a row", () => {
  expect(turnsOf([1, 3, 3])).toEqual([0, 1, 2, 1, 2, 1, 2]);
});

test("weights in the thousands make a short list, in which the lightest keeps a turn", () => {
  const turns = turnsOf([1, 10_000, 10_000]);
  expect(turns.length).toBe(201);
  expect(turns.filter((index) => index === 0)).toEqual([0]);
});
