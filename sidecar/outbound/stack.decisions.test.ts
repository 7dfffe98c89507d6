// What was decided about a call is to be seen afterwards, on the real stack with the real recorders: as a metric, as an
// event of the span, in the access log; and a failure says its tries.

import { expect, test } from "vitest";
import { fieldValue } from "../http2/header-field.ts";
import { accessLog } from "../telemetry/access-log.ts";
import { callMetrics } from "../telemetry/call-metrics.ts";
import { MetricRegistry } from "../telemetry/metric-registry.ts";
import { prometheusText } from "../telemetry/prometheus-text.ts";
import { spanRecorder } from "../telemetry/span-recorder.ts";
import type { SpanRecord } from "../telemetry/spans.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const unavailable: Answer = { kind: "trailers_only", status: 14 };
const idempotent = { traits: { kind: "unary", idempotent: true } } as const;
const sampled = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` };

function recordedMesh() {
  const mesh = new ScriptedMesh();
  const registry = new MetricRegistry();
  const spans: SpanRecord[] = [];
  const lines: Record<string, unknown>[] = [];
  mesh.recorders.push(
    callMetrics({ registry, service: "", isKnownMethod: () => true }).recorder,
    accessLog(mesh.clock, (line) => lines.push(JSON.parse(line))),
    spanRecorder({ record: (span) => spans.push(span), shutdown: async () => {} }, mesh.clock, false),
  );
  const counts = () => [...prometheusText(registry.snapshot()).matchAll(/^ferry_decisions_total\{(.*)\} (\d+)$/gm)];
  return { mesh, spans, lines, decided: () => counts().map(([, labels, value]) => `${labels} ${value}`) };
}

test("a retry is counted, is an event of the span at its own time, and stands in the log", async () => {
  const { mesh, spans, lines, decided } = recordedMesh();
  mesh.serve({ a: [unavailable], b: [ok] }, idempotent);
  expect(await mesh.call(sampled)).toMatchObject({ status: "0", attempts: "2" });
  expect(decided()).toEqual(['upstream="s",service="s",subset="",decision="retry" 1']);
  expect(lines).toMatchObject([{ attempts: 2, decisions: [expect.stringMatching(/^retry: .+/)] }]);
  expect(spans).toHaveLength(1);
  const { events, startWallMs, endWallMs } = spans[0]!;
  expect(events.map(({ name }) => name)).toEqual(["retry"]);
  expect(events[0]!.wallMs).toBeGreaterThanOrEqual(startWallMs);
  expect(events[0]!.wallMs).toBeLessThanOrEqual(endWallMs);
  expect(events[0]!.attributes["ferry.detail"]).toContain("UNAVAILABLE");
});

test("a call that nothing was decided about makes no series, no event and no word", async () => {
  const { mesh, spans, lines, decided } = recordedMesh();
  mesh.serve({ a: [ok] }, idempotent);
  await mesh.call(sampled);
  expect(decided()).toEqual([]);
  expect(spans[0]?.events).toEqual([]);
  expect(lines[0]).not.toHaveProperty("decisions");
});

test("an ejection is a decision of the call whose failure made it", async () => {
  const { mesh, lines, decided } = recordedMesh();
  const policy = { ejection: { consecutiveFailures: 1, minCalls: 1000 }, retry: { retries: 0 } };
  mesh.serve({ a: [unavailable], b: [ok] }, { ...idempotent, policy });
  await mesh.call();
  expect(decided().filter((line) => line.includes('decision="ejected"'))).toHaveLength(1);
  expect(lines[0]?.decisions).toEqual([expect.stringMatching(/^ejected: /)]);
});

test("a failure that Ferry answers says how many tries there were", async () => {
  const { mesh } = recordedMesh();
  mesh.serve(
    { a: [unavailable], b: [{ kind: "lose_connection" }] },
    { ...idempotent, policy: { retry: { retries: 1 } } },
  );
  const { fields } = await mesh.start().head;
  expect(fieldValue(fields, "x-ferry-failure")).toBe("connection_lost");
  const details = Buffer.from(fieldValue(fields, "grpc-status-details-bin") ?? "", "base64").toString("latin1");
  // A map's entry: the key, then field 2 with one character.
  expect(details).toContain("attempts\x12\x012");
});
