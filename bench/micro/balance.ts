// Prints what one pick costs, in nanoseconds, and what the tables of ring_hash and maglev cost to build, in
// milliseconds: `node bench/micro/balance.ts`. Each pick is the best of five runs of a million over pools of 5 and 100
// endpoints with a past; the empty loop over the same arguments stands beside. "layer" is all of balance: the look-up
// of what is usable, the pick, and the object for the next layer.

import { availableParallelism, cpus } from "node:os";
import { systemClock } from "../../common/clock.ts";
import { seededRandom } from "../../common/random.ts";
import type { RoutedCall } from "../../sidecar/call.ts";
import type { Endpoint } from "../../sidecar/discovery/registry.ts";
import { PendingReply } from "../../sidecar/pending-reply.ts";
import { balance } from "../../sidecar/resilience/balance.ts";
import { EndpointStates } from "../../sidecar/resilience/endpoint-states.ts";
import { HashTables } from "../../sidecar/resilience/hash-table.ts";
import { pickByHash } from "../../sidecar/resilience/pick-by-hash.ts";
import { pickLeastRequest } from "../../sidecar/resilience/pick-least-request.ts";
import { pickPeakEwma } from "../../sidecar/resilience/pick-peak-ewma.ts";
import type { Ask, Picker, Pool } from "../../sidecar/resilience/pick-pool.ts";
import { pickRandom } from "../../sidecar/resilience/pick-random.ts";
import { pickRoundRobin } from "../../sidecar/resilience/pick-round-robin.ts";
import { Pools } from "../../sidecar/resilience/pools.ts";
import type { Balancer } from "../../sidecar/routing/policy/balance-policy.ts";
import { defaultCallPolicy } from "../../sidecar/routing/policy/call-policy.ts";

const rounds = 1_000_000;
const random = seededRandom(1);
const ring: Balancer = { kind: "ring_hash", minPoints: 1_024, maxPoints: 8_388_608, hash: [] };
const maglev: Balancer = { kind: "maglev", hash: [] };

const cases: readonly (readonly [string, Balancer, Picker])[] = [
  ["empty loop", { kind: "random" }, () => 0],
  ["peak_ewma", { kind: "peak_ewma" }, pickPeakEwma],
  ["least_request", { kind: "least_request", choices: 2 }, pickLeastRequest(2)],
  ["round_robin", { kind: "round_robin" }, pickRoundRobin],
  ["random", { kind: "random" }, pickRandom],
  ["ring_hash", ring, pickByHash],
  ["maglev", maglev, pickByHash],
];

function instances(count: number, weightOf: (index: number) => number = () => 1): readonly Endpoint[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ id: `quote-query-${index + 1_000}`, service: "quote-query", version: "v1", host: "10.0.0.1", port: 1 + index },
    ...{ weight: weightOf(index), health: "passing", meta: {} },
  }));
}

function poolOf(endpoints: readonly Endpoint[], balancer: Balancer): Pool {
  const pool = new Pools({ states: new EndpointStates(), clock: systemClock }).of(endpoints, balancer)!;
  for (const { state } of pool.members) state.load.replied(5 + 10 * random(), 0);
  return pool;
}

function bestNs(run: (round: number) => number): number {
  let best = Number.POSITIVE_INFINITY;
  let kept = 0;
  for (let attempt = 0; attempt < 5; attempt++) {
    const beganAt = process.hrtime.bigint();
    for (let round = 0; round < rounds; round++) kept += run(round);
    best = Math.min(best, Number(process.hrtime.bigint() - beganAt) / rounds);
  }
  if (kept < 0) console.log(kept);
  return best;
}

function pickNs(pool: Pool, pick: Picker): number {
  const ask: Ask = { nowMs: 0, method: "/s/M", tried: [], slowStartMs: 0, hash: 0, out: undefined, random };
  return bestNs((round) => {
    ask.nowMs = round / 1_000;
    ask.hash = Math.imul(round, 0x9e3779b9) >>> 0;
    return pick(pool, ask);
  });
}

function layerNs(endpoints: readonly Endpoint[]): number {
  const states = new EndpointStates();
  const reply = new PendingReply();
  const service = balance({ states, clock: systemClock, random })(() => reply);
  for (const endpoint of endpoints) states.of(endpoint).load.replied(10 * random(), systemClock.nowMs());
  const routed = {
    call: { path: "/s/M", fields: [], notes: { endpoint: undefined } },
    route: { balancer: { kind: "peak_ewma" }, policy: defaultCallPolicy, service: "s", subset: "" },
    candidates: { targets: [{ id: "s", endpoints, registered: endpoints.length }], traits: undefined },
    ...{ attempt: 1, tried: [] },
  } as unknown as RoutedCall;
  return bestNs(() => (service(routed) === reply ? 1 : 0));
}

function buildMs(endpoints: readonly Endpoint[], balancer: Balancer): number {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 10; attempt++) {
    const beganAt = process.hrtime.bigint();
    new HashTables().of(endpoints, balancer);
    best = Math.min(best, Number(process.hrtime.bigint() - beganAt) / 1e6);
  }
  return best;
}

const even = [5, 100].map((count) => instances(count));
const mixed = instances(5, (index) => 1 + (index % 3));

console.log(`${cpus()[0]?.model ?? "cpu"}, ${availableParallelism()} cores, node ${process.version}`);
console.log("ns a pick        5 endpoints   100 endpoints   5 of weights 1-3");
for (const [name, balancer, pick] of cases) {
  const figures = [...even, mixed].map((endpoints) => pickNs(poolOf(endpoints, balancer), pick));
  console.log(name.padEnd(16), ...figures.map((figure) => figure.toFixed(1).padStart(14)));
}
console.log("layer, peak_ewma", ...even.map((endpoints) => layerNs(endpoints).toFixed(1).padStart(14)));
console.log("ms a table      ", "ring_hash".padStart(14), "maglev".padStart(14));
for (const count of [5, 100, 1_000]) {
  const figures = [ring, maglev].map((balancer) => buildMs(instances(count), balancer));
  console.log(`${count} endpoints`.padEnd(16), ...figures.map((figure) => figure.toFixed(2).padStart(14)));
}
