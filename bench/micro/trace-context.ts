// Prints what a call's trace context costs, in nanoseconds: `node bench/micro/trace-context.ts`. Best of five runs of a
// million.

import { randomHex } from "../../common/random.ts";
import { childContext, traceparentOf } from "../../sidecar/telemetry/trace-context.ts";

const rounds = 1_000_000;
// As they come from the wire: in one piece.
const traceparents = Array.from({ length: 1_024 }, () =>
  Buffer.from(`00-${randomHex(16)}-${randomHex(8)}-00`).toString("latin1"),
);
const never = () => false;
const context = childContext(traceparents[0], randomHex, never);

const rows: [string, (i: number) => void][] = [
  ["child of a caller's context", (i) => void childContext(traceparents[i & 1023], randomHex, never)],
  ["a new context", () => void childContext(undefined, randomHex, never)],
  ["traceparentOf", () => void traceparentOf(context)],
  ["randomHex(16)", () => void randomHex(16)],
];
for (const [name, run] of rows) {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt++) {
    const beganAt = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) run(i);
    best = Math.min(best, Number(process.hrtime.bigint() - beganAt) / rounds);
  }
  console.log(`${best.toFixed(1).padStart(8)} ns  ${name}`);
}
