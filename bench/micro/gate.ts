// Prints what the breaker costs a try, in nanoseconds of processor time: `node bench/micro/gate.ts`. Each case is the
// best of five runs: a million questions which endpoints may be called, and 300,000 tries through the gate beside an
// empty async layer that registers for the reply's end as well.

import { availableParallelism, cpus } from "node:os";
import { systemClock } from "../../common/clock.ts";
import type { EndpointCall, Outcome, Reply, RoutedCall } from "../../sidecar/call.ts";
import type { Endpoint } from "../../sidecar/discovery/registry.ts";
import { emptyBody } from "../../sidecar/http2/body.ts";
import { PendingReply } from "../../sidecar/pending-reply.ts";
import { EndpointStates } from "../../sidecar/resilience/endpoint-states.ts";
import { gate } from "../../sidecar/resilience/gate.ts";
import { UsableEndpoints } from "../../sidecar/resilience/usable-endpoints.ts";
import { defaultCallPolicy } from "../../sidecar/routing/policy/call-policy.ts";
import type { Service } from "../../sidecar/stack.ts";

const endpoints: readonly Endpoint[] = Array.from({ length: 10 }, (_, i) => ({
  ...{ id: `e${i}`, service: "s", version: "", host: "127.0.0.1", port: i, weight: 1, health: "passing", meta: {} },
}));
const routed = {
  call: { path: "/quoter.query.v1.QuoteQueryService/GetQuote" },
  route: { policy: defaultCallPolicy },
  candidates: { targets: [{ id: "s", endpoints, registered: 10 }], traits: { kind: "unary", idempotent: true } },
} as unknown as RoutedCall;
const target: EndpointCall = { routed, endpoint: endpoints[0]!, chosenAtMs: systemClock.nowMs() };

const ok: Outcome = { status: 0, httpStatus: 200, failure: undefined };
const reply: Reply = { fields: [], endsWithHead: false, body: emptyBody, onEnd: (listener) => listener(ok) };
const last: Service<EndpointCall> = () => PendingReply.withReply(reply);

function ejectOne(states: EndpointStates, endpoint: Endpoint): EndpointStates {
  const state = states.of(endpoint);
  states.move(state, state.whole, { state: "ejected", untilMs: Number.POSITIVE_INFINITY, ejections: 1 });
  return states;
}

function gated(states: EndpointStates): Service<EndpointCall> {
  return gate({ states, clock: systemClock, random: Math.random, onAdmissionChange() {} })(last);
}

function empty(call: EndpointCall): PendingReply {
  const its = last(call);
  its.tell({
    replied: (reply) => reply.onEnd((outcome) => void (outcome.status === call.endpoint.weight)),
    failed() {},
  });
  return its;
}

function bestNs(rounds: number, run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt++) {
    const began = process.cpuUsage();
    for (let i = 0; i < rounds; i++) run();
    best = Math.min(best, (process.cpuUsage(began).user * 1_000) / rounds);
  }
  return best;
}

const healthy = new UsableEndpoints(new EndpointStates());
const oneOut = new UsableEndpoints(ejectOne(new EndpointStates(), endpoints[3]!));
const tries: [string, Service<EndpointCall>][] = [
  ["empty layer", empty],
  ["gate", gated(new EndpointStates())],
  ["gate while another endpoint is out", gated(ejectOne(new EndpointStates(), endpoints[3]!))],
];

console.log(`${cpus()[0]?.model ?? "cpu"}, ${availableParallelism()} cores, node ${process.version}`);
for (const [name, usable] of [
  ["usable endpoints, nobody out", healthy],
  ["usable endpoints, 1 of 10 out", oneOut],
] as const) {
  console.log(
    `${bestNs(1_000_000, () => usable.of(routed, 5))
      .toFixed(1)
      .padStart(8)} ns  ${name}`,
  );
}
for (const [name, service] of tries) {
  console.log(
    `${bestNs(300_000, () => service(target))
      .toFixed(1)
      .padStart(8)} ns  ${name}`,
  );
}
