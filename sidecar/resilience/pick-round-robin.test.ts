import { expect, test } from "vitest";
import type { Endpoint } from "../discovery/registry.ts";
import { pickRoundRobin } from "./pick-round-robin.ts";

const [a, b, c] = ["a", "b", "c"].map(
  (id): Endpoint => ({ id, service: "s", version: "", host: "h", port: 1, weight: 1, health: "passing", meta: {} }),
) as [Endpoint, Endpoint, Endpoint];

function pick(turn: number, tried: readonly Endpoint[] = [], ejected: readonly Endpoint[] = []): string {
  const mayTry = (endpoint: Endpoint) => !ejected.includes(endpoint);
  return pickRoundRobin({ endpoints: [a, b, c], turn, tried, mayTry }).id;
}

test("takes the endpoints in turn", () => {
  expect([0, 1, 2, 3].map((turn) => pick(turn))).toEqual(["a", "b", "c", "a"]);
});

test("skips ejected endpoints and those that the call has tried", () => {
  expect(pick(0, [], [a])).toBe("b");
  expect(pick(0, [b], [a])).toBe("c");
});

test("prefers an endpoint that was tried to one that is ejected", () => {
  expect(pick(0, [c], [a, b])).toBe("c");
});

test("uses an ejected endpoint when all are ejected", () => {
  expect(pick(1, [], [a, b, c])).toBe("b");
});
