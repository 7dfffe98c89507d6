// Prints what the retry layer costs a call that is answered at its first try, in nanoseconds of CPU time:
// `node bench/micro/retry.ts`. Each case is the best of twelve runs of 200,000 unary calls whose reply is there as soon
// as it is asked for, so that what is left is the layer itself: replay buffer, budget, hold.

import { systemClock } from "../../common/clock.ts";
import { randomHex, systemRandom } from "../../common/random.ts";
import type { Outcome, RoutedCall } from "../../sidecar/call.ts";
import type { BodySink, BodySource } from "../../sidecar/http2/body.ts";
import { HeaderField } from "../../sidecar/http2/header-field.ts";
import { PendingReply, type ReplyWaiter } from "../../sidecar/pending-reply.ts";
import { ReceivedCall } from "../../sidecar/received-call.ts";
import { retry } from "../../sidecar/resilience/retry.ts";
import { RetryBudgets } from "../../sidecar/resilience/retry-budgets.ts";
import { TriedTraces } from "../../sidecar/resilience/tried-traces.ts";
import { defaultCallPolicy } from "../../sidecar/routing/policy/call-policy.ts";
import type { RouteDecision } from "../../sidecar/routing/route-table.ts";
import { compileRouteTable, resolveRoute } from "../../sidecar/routing/route-table.ts";
import { quoterSnapshot } from "../../sidecar/routing/testing-chain.ts";
import type { Service } from "../../sidecar/stack.ts";

const calls = 200_000;
const message = Buffer.alloc(64);
const sink: BodySink = { data() {}, trailers() {}, abort() {} };
const head = [new HeaderField(":status", "200"), new HeaderField("content-type", "application/grpc")];
const trailers = [new HeaderField("grpc-status", "0")];
const ok: Outcome = { status: 0, httpStatus: 200, failure: undefined };
const requestBody: BodySource = { attach: (to) => to.data(message, true), grant() {}, cancel() {} };
const replyBody: BodySource = {
  attach(to) {
    to.data(message, false);
    to.trailers(trailers);
  },
  grant() {},
  cancel() {},
};

function answer(routed: RoutedCall): PendingReply {
  routed.body.attach(sink);
  return PendingReply.withReply({
    ...{ fields: head, endsWithHead: false, body: replyBody },
    onEnd: (listener) => listener(ok),
  });
}

const taker: ReplyWaiter = {
  replied: (reply) => reply.body.attach(sink),
  failed(error) {
    throw error;
  },
};

const layer = retry({
  ...{
    clock: systemClock,
    random: systemRandom,
    budgets: new RetryBudgets(),
    traces: new TriedTraces(),
    maxReplayBytes: 65_536,
  },
  onRetry() {},
});
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
const fields = [new HeaderField(":path", path), new HeaderField("content-type", "application/grpc")];
const found = resolveRoute(compileRouteTable(quoterSnapshot()), path, fields, () => 0)!;

function decisionWith(isIdempotent: boolean, hold: "headers" | "message"): RouteDecision {
  const policy = { ...defaultCallPolicy, retry: { ...defaultCallPolicy.retry, hold } };
  return {
    route: { ...found.route, isIdempotent, policy },
    candidates: { ...found.candidates, traits: { kind: "unary", idempotent: isIdempotent } },
  };
}

function bestNs(service: Service<RoutedCall>, decision: RouteDecision): number {
  const sources = { nowMs: () => 0, randomHex, sampleNew: () => false };
  const request = { fields, body: requestBody, endsWithHead: false, peer: undefined };
  const call = new ReceivedCall(request, sources);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 12; run++) {
    const before = process.cpuUsage();
    for (let n = 0; n < calls; n++) {
      call.notes.attempts = 0;
      const { route, candidates } = decision;
      const rest = {
        deadlineAtMs: Number.POSITIVE_INFINITY,
        body: requestBody,
        attempt: 1,
        tried: [],
        cancel: undefined,
      };
      service({ call, route, candidates, ...rest }).tell(taker);
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1_000) / calls);
  }
  return best;
}

const cases: [string, RouteDecision, boolean][] = [
  ["without the layer", decisionWith(true, "headers"), false],
  ["method that is not idempotent: nothing held", decisionWith(false, "headers"), true],
  ["idempotent: header held", decisionWith(true, "headers"), true],
  ["idempotent: message held", decisionWith(true, "message"), true],
];
const service = layer(answer);
for (const [name, decision, isOn] of cases) {
  const ns = bestNs(isOn ? service : answer, decision);
  console.log(`${name.padEnd(46)} ${ns.toFixed(0).padStart(6)} ns`);
}
