import { expect, test } from "vitest";
import { pickLeastRequest } from "./pick-least-request.ts";
import { pickRandom } from "./pick-random.ts";
import { pickRoundRobin } from "./pick-round-robin.ts";
import { endpointOf, poolOf, type SimulatedEndpoint, simulateShares } from "./testing/load-simulation.ts";

const usual: SimulatedEndpoint = { serveMs: (random) => 5 + 10 * random() };
const slow: SimulatedEndpoint = { serveMs: (random) => 50 + 100 * random() };
const load = { callsPerSecond: 500, calls: 20_000 };

test("least_request gives an endpoint that is 10 times slower than 4 others less than 8 % of the calls", () => {
  const pick = pickLeastRequest(2);
  const endpoints = [usual, usual, slow, usual, usual];
  const shares = simulateShares({ endpoints, balancer: { kind: "least_request", choices: 2 }, pick, ...load });
  expect(shares[2]).toBeLessThan(0.08);
});

test("with as many choices as endpoints the one with the fewest calls under way is always found", () => {
  const { pool, ask, stateOf } = poolOf(
    ["a", "b", "c", "d"].map((id) => endpointOf(id)),
    {
      kind: "least_request",
      choices: 12,
    },
  );
  for (const index of [0, 1, 3]) stateOf(index).active = 5;
  stateOf(2).active = 4;
  for (let call = 0; call < 50; call++) expect(pickLeastRequest(12)(pool, ask)).toBe(2);
});

test("weights 1:3 give 25 % +- 2: least_request while calls are few, random and round_robin always", () => {
  const endpoints = [usual, { ...usual, weight: 3 }];
  const shareOf = (pick: Parameters<typeof simulateShares>[0]["pick"], callsPerSecond: number) =>
    simulateShares({ endpoints, balancer: { kind: "round_robin" }, pick, ...load, callsPerSecond })[0]!;
  expect(Math.abs(shareOf(pickLeastRequest(2), 5) - 0.25)).toBeLessThan(0.02);
  expect(Math.abs(shareOf(pickRandom, 500) - 0.25)).toBeLessThan(0.02);
  expect(shareOf(pickRoundRobin, 500)).toBe(0.25);
});

test.each([
  ["least_request", pickLeastRequest(2)],
  ["random", pickRandom],
  ["round_robin", pickRoundRobin],
] as const)("under slow start %s gives a new endpoint a tenth of an old one's share", (_, pick) => {
  const { pool, ask, stateOf } = poolOf(
    ["old", "new"].map((id) => endpointOf(id)),
    { kind: "round_robin" },
  );
  stateOf(1).load.startSlowly(100_000);
  ask.nowMs = 100_000;
  ask.slowStartMs = 60_000;
  let picked = 0;
  for (let call = 0; call < 10_000; call++) picked += pick(pool, ask);
  expect(picked / 10_000).toBeCloseTo(0.1 / 1.1, 1);
});

test.each([
  ["random", pickRandom],
  ["round_robin", pickRoundRobin],
] as const)("endpoints that are all equally new share evenly by %s", (_, pick) => {
  const { pool, ask } = poolOf(
    ["a", "b"].map((id) => endpointOf(id)),
    { kind: "round_robin" },
  );
  ask.slowStartMs = 60_000;
  let picked = 0;
  for (let call = 0; call < 10_000; call++) picked += pick(pool, ask);
  expect(Math.abs(picked / 10_000 - 0.5)).toBeLessThan(0.02);
});
