// Prints what knowing methods' latencies costs a call, in nanoseconds: `node bench/micro/latency.ts`. Each case is the
// best of five runs of a million calls: the early refusal layer by default, with and without a deadline, and the
// observation at the call's end.

import { availableParallelism, cpus } from "node:os";
import { systemClock } from "../../common/clock.ts";
import type { RoutedCall } from "../../sidecar/call.ts";
import { emptyBody } from "../../sidecar/http2/body.ts";
import { HeaderField } from "../../sidecar/http2/header-field.ts";
import { PendingReply } from "../../sidecar/pending-reply.ts";
import { ReceivedCall } from "../../sidecar/received-call.ts";
import { earlyRefusal } from "../../sidecar/resilience/early-refusal.ts";
import { LatencyWindows, observeLatency } from "../../sidecar/resilience/latency-windows.ts";
import { compileRouteTable, resolveRoute } from "../../sidecar/routing/route-table.ts";
import { quoterSnapshot } from "../../sidecar/routing/testing-chain.ts";

const rounds = 1_000_000;
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
const clock = systemClock;
const windows = new LatencyWindows();
const never = new PendingReply();
const layer = earlyRefusal(windows, clock)(() => never);
const ok = { status: 0, httpStatus: 200, failure: undefined };

const decision = resolveRoute(compileRouteTable(quoterSnapshot()), path, [], () => 0.5);
if (decision === undefined) throw new Error(`nothing routes ${path}`);
const candidates = { ...decision.candidates, traits: { kind: "unary", idempotent: true } } as const;

function routedCall(deadlineAtMs: number): RoutedCall {
  const call = new ReceivedCall(
    { fields: [new HeaderField(":path", path)], body: emptyBody, endsWithHead: true, peer: undefined },
    { nowMs: () => clock.nowMs(), randomHex: () => "0", sampleNew: () => false },
  );
  const { route } = decision!;
  return { call, route, candidates, deadlineAtMs, body: emptyBody, attempt: 1, tried: [], cancel: undefined };
}

const withoutDeadline = routedCall(Number.POSITIVE_INFINITY);
const withDeadline = routedCall(clock.nowMs() + 1_000_000);
withDeadline.call.notes.attempts = 1;

const cases: Readonly<Record<string, () => void>> = {
  "clock.nowMs alone": () => void clock.nowMs(),
  "early refusal, no deadline": () => void layer(withoutDeadline),
  "early refusal, a deadline": () => void layer(withDeadline),
  "observation at the end": () => observeLatency({ call: withDeadline.call, outcome: ok, durationMs: 3 }),
};

process.stdout.write(`${cpus()[0]?.model ?? "?"}, ${availableParallelism()} cores, Node ${process.version}\n`);
for (const [name, run] of Object.entries(cases)) {
  let bestNs = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 5; turn++) {
    const start = performance.now();
    for (let i = 0; i < rounds; i++) run();
    bestNs = Math.min(bestNs, ((performance.now() - start) * 1e6) / rounds);
  }
  process.stdout.write(`${name.padEnd(28)} ${bestNs.toFixed(0).padStart(5)} ns\n`);
}
