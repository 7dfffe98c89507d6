// Prints what recording a call costs, in nanoseconds: `node bench/micro/metrics.ts`. Best of five runs of a million.

import { availableParallelism, cpus } from "node:os";
import { classify } from "../../sidecar/grpc/classify.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "../../sidecar/grpc/timeout.ts";
import { HeaderField } from "../../sidecar/http2/header-field.ts";
import { callMetrics } from "../../sidecar/telemetry/call-metrics.ts";
import { Histogram, MetricRegistry } from "../../sidecar/telemetry/metric-registry.ts";
import { endedCall, getQuote, route } from "../../sidecar/telemetry/testing/ended-call.ts";

const rounds = 1_000_000;

function bestNs(run: (i: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt++) {
    const beganAt = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) run(i);
    best = Math.min(best, Number(process.hrtime.bigint() - beganAt) / rounds);
  }
  return best;
}

const registry = new MetricRegistry();
const { recorder } = callMetrics({ registry, service: "s", isKnownMethod: (path) => path === getQuote });
const ended = endedCall({ route });
const seconds = new Histogram([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]);
const head = [new HeaderField(":status", "200"), new HeaderField("content-type", "application/grpc")];
const end = { trailers: [new HeaderField("grpc-status", "0")], error: undefined } as const;

const rows: [string, (i: number) => void][] = [
  ["record a call: counter, attempts, histogram", () => recorder(ended)],
  ["Histogram.observe", (i) => seconds.observe((i & 1023) / 1000)],
  ["classify a reply with status 0", () => void classify(head, end)],
  ["parseGrpcTimeout", () => void parseGrpcTimeout("29999871u")],
  ["formatGrpcTimeout", (i) => void formatGrpcTimeout(29_999.871 - (i & 1023))],
];
console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`);
for (const [name, run] of rows) console.log(`${bestNs(run).toFixed(1).padStart(8)} ns  ${name}`);
