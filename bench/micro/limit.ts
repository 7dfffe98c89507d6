// Prints what the limits cost a call, in nanoseconds: `node bench/micro/limit.ts`. Each case is the best of five runs
// of half a million calls through the one layer to an endpoint that answers at once, beside the same without it.

import { availableParallelism, cpus } from "node:os";
import { systemClock } from "../../common/clock.ts";
import { seededRandom } from "../../common/random.ts";
import type { Call, Outcome, Reply, RoutedCall } from "../../sidecar/call.ts";
import { emptyBody } from "../../sidecar/http2/body.ts";
import { InboundRules } from "../../sidecar/inbound/inbound-rules.ts";
import { PendingReply } from "../../sidecar/pending-reply.ts";
import { Priority } from "../../sidecar/priority.ts";
import { CallLimits, limit } from "../../sidecar/resilience/limit.ts";
import { adaptiveLimit } from "../../sidecar/resilience/limit-adaptive.ts";
import { inboundLimit } from "../../sidecar/resilience/limit-inbound.ts";
import { rateLimit } from "../../sidecar/resilience/rate-limit.ts";
import { shed } from "../../sidecar/resilience/shed.ts";
import { readPolicy } from "../../sidecar/routing/mesh-config/ferry-settings.ts";
import { compileRouteTable, resolveRoute } from "../../sidecar/routing/route-table.ts";
import { quoterSnapshot } from "../../sidecar/routing/testing-chain.ts";
import type { Service } from "../../sidecar/stack.ts";

const rounds = 500_000;
const clock = systemClock;
const random = seededRandom(1);
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
const ok: Outcome = { status: 0, httpStatus: 200, failure: undefined };
const reply: Reply = { fields: [], endsWithHead: true, body: emptyBody, onEnd: (listener) => listener(ok) };
const replied = PendingReply.withReply(reply);

const decision = resolveRoute(compileRouteTable(quoterSnapshot()), path, [], random)!;
const call = { path, priority: Priority.default, source: "web", notes: {}, onCancel() {} } as unknown as Call;
const routed = { call, ...decision } as unknown as RoutedCall;

const last: Service<Call> = () => replied;
const lastRouted: Service<RoutedCall> = () => replied;

function rulesWith(settings: Record<string, string>): InboundRules {
  const rules = new InboundRules("quote-query", clock);
  rules.apply(readPolicy([{ origin: "bench", values: settings }]).policy);
  return rules;
}

const off = rulesWith({});
const rated = rulesWith({ ferry_inbound_rate_limit: "web=900000000/s" });
const adapting = rulesWith({ ferry_inbound_adaptive_limit: "on" });
const rate = (rules: InboundRules) => rateLimit((itsPath) => rules.of(itsPath).rate, clock)(last);
const adaptive = (rules: InboundRules) =>
  adaptiveLimit({ placesOf: (itsPath) => rules.of(itsPath).adaptive, maxPending: () => 0, clock, random })(last);
const inbound = inboundLimit({ own: off.total, maxPending: () => 0, clock, random })(last);

function bestNs<C>(service: Service<C>, itsCall: C): number {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt++) {
    const beganAt = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) service(itsCall);
    best = Math.min(best, Number(process.hrtime.bigint() - beganAt) / rounds);
  }
  return best;
}

const outbound = limit({ limits: new CallLimits(), clock, random })(lastRouted);
const cases: readonly [string, () => number][] = [
  ["no layer", () => bestNs(last, call)],
  ["shed", () => bestNs(shed(10_000, { clock, random })(last), call)],
  ["limit (outbound)", () => bestNs(outbound, routed)],
  ["inboundLimit", () => bestNs(inbound, call)],
  ["rateLimit, off", () => bestNs(rate(off), call)],
  ["rateLimit, on", () => bestNs(rate(rated), call)],
  ["adaptiveLimit, off", () => bestNs(adaptive(off), call)],
  ["adaptiveLimit, on", () => bestNs(adaptive(adapting), call)],
];

console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
const base = cases[0]![1]();
console.log(`${"no layer".padEnd(24)} ${base.toFixed(0).padStart(5)} ns a call`);
for (const [name, run] of cases.slice(1)) {
  const ns = run();
  console.log(`${name.padEnd(24)} ${`+${(ns - base).toFixed(0)}`.padStart(5)} ns`);
}
