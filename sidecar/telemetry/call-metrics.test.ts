import { describe, expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { accessLog } from "./access-log.ts";
import { callMetrics } from "./call-metrics.ts";
import { MetricRegistry } from "./metric-registry.ts";
import { processMetrics } from "./process-metrics.ts";
import { prometheusText } from "./prometheus-text.ts";
import { endedCall, getQuote, route } from "./testing/ended-call.ts";

function scene() {
  const registry = new MetricRegistry();
  const known = new Set([getQuote]);
  const metrics = callMetrics({ registry, service: "quote-query", isKnownMethod: (path) => known.has(path) });
  return { metrics, known, text: () => prometheusText(registry.snapshot()) };
}

const target = 'direction="outbound",upstream="quoter",service="quote-query",subset="v1"';

describe("call metrics", () => {
  test("count a call once, by route, method and how it ended", () => {
    const { metrics, text } = scene();
    metrics.recorder(endedCall({ route, durationMs: 2 }));
    metrics.recorder(endedCall({ route, durationMs: 20, attempts: 2 }));
    const failed = { status: 14, httpStatus: 200, failure: "no_endpoint" as const };
    metrics.recorder(endedCall({ route, outcome: failed, attempts: 0 }));
    const method = `${target},method="${getQuote}"`;
    expect(text()).toContain(`ferry_calls_total{${method},grpc_status="OK",failure=""} 2\n`);
    expect(text()).toContain(`ferry_calls_total{${method},grpc_status="UNAVAILABLE",failure="no_endpoint"} 1\n`);
    expect(text()).toContain(`ferry_call_duration_seconds_bucket{${method},le="0.0025"} 2\n`);
    expect(text()).toContain(`ferry_call_duration_seconds_count{${method}} 3\n`);
    expect(text()).toContain('ferry_attempts_total{upstream="quoter",service="quote-query",subset="v1"} 3\n');
  });

  test("count inbound calls under this sidecar's service, and calls without a route under none", () => {
    const { metrics, text } = scene();
    metrics.recorder(endedCall({ direction: "inbound" }));
    metrics.recorder(endedCall());
    const method = `method="${getQuote}",grpc_status="OK",failure=""`;
    expect(text()).toContain(`{direction="inbound",upstream="",service="quote-query",subset="",${method}} 1\n`);
    expect(text()).toContain(`{direction="outbound",upstream="",service="",subset="",${method}} 1\n`);
  });

  test("name a method only once it is known", () => {
    const { metrics, known, text } = scene();
    for (let i = 0; i < 50; i++) metrics.recorder(endedCall({ route, path: `/made.Up/M${i}` }));
    expect(text()).toContain(`${target},method="other",grpc_status="OK",failure=""} 50\n`);
    known.add("/made.Up/M1");
    metrics.recorder(endedCall({ route, path: "/made.Up/M1" }));
    expect(text()).toContain(`${target},method="/made.Up/M1",grpc_status="OK",failure=""} 1\n`);
  });

  test("count retries, ejections, closed connections and refused streams", () => {
    const { metrics, text } = scene();
    const { call } = endedCall({ route });
    const routed = {
      call,
      route,
      candidates: { targets: [], traits: undefined },
      body: call.body,
      attempt: 1,
      tried: [],
      cancel: undefined,
      deadlineAtMs: Number.POSITIVE_INFINITY,
    };
    metrics.countRetry(routed, { status: 14, httpStatus: 0, failure: "connection_lost" });
    metrics.countEjection({ routed, endpoint: call.notes.endpoint!, chosenAtMs: 0 }, "consecutive");
    metrics.countForcedClose("too_many_pings");
    metrics.countRefusedStream("concurrent_streams");
    const at = 'upstream="quoter",service="quote-query",subset="v1"';
    expect(text()).toContain(`ferry_retries_total{${at},grpc_status="UNAVAILABLE",failure="connection_lost"} 1\n`);
    expect(text()).toContain(`ferry_endpoint_ejections_total{${at},reason="consecutive"} 1\n`);
    expect(text()).toContain('ferry_forced_closes_total{reason="too_many_pings"} 1\n');
    expect(text()).toContain('ferry_streams_refused_total{reason="concurrent_streams"} 1\n');
  });
});

describe("decisions", () => {
  const retried = { kind: "retry" as const, atMs: 1, detail: "try 1 ended with UNAVAILABLE" };

  test("are counted by kind under the route of their call", () => {
    const { metrics, text } = scene();
    metrics.recorder(endedCall({ route, decisions: [retried, retried] }));
    metrics.recorder(endedCall({ route, decisions: [retried] }));
    const at = 'upstream="quoter",service="quote-query",subset="v1"';
    expect(text()).toContain(`ferry_decisions_total{${at},decision="retry"} 3\n`);
  });

  test("of inbound calls are counted under this sidecar's service, and of calls without a route under none", () => {
    const { metrics, text } = scene();
    metrics.recorder(endedCall({ direction: "inbound", decisions: [retried] }));
    metrics.recorder(endedCall({ decisions: [retried, retried] }));
    expect(text()).toContain('{upstream="",service="quote-query",subset="",decision="retry"} 1\n');
    expect(text()).toContain('{upstream="",service="",subset="",decision="retry"} 2\n');
  });

  test("make no series where there are none", () => {
    const { metrics, text } = scene();
    metrics.recorder(endedCall({ route }));
    expect(text()).not.toContain("ferry_decisions_total{");
  });

  test("are words of the call's access log line, each with its detail", () => {
    const lines: string[] = [];
    const plain = { kind: "retry" as const, atMs: 2, detail: "" };
    accessLog(new TestingClock(), (line) => lines.push(line))(endedCall({ route, decisions: [retried, plain] }));
    expect(JSON.parse(lines[0]!).decisions).toEqual(["retry: try 1 ended with UNAVAILABLE", "retry"]);
  });
});

describe("process metrics", () => {
  test("tell memory, processor time and what is open", () => {
    const registry = new MetricRegistry();
    const open = { connections: () => ({ inbound: 2, pool: 3 }), callsInFlight: () => 5 };
    const stop = processMetrics({ registry, open, startedWallMs: 1_700_000_000_000 });
    const text = prometheusText(registry.snapshot());
    stop();
    expect(text).toContain('ferry_connections{at="pool"} 3\n');
    expect(text).toContain("ferry_calls_in_flight 5\n");
    expect(text).toContain("process_start_time_seconds 1700000000\n");
    expect(text).toMatch(/process_resident_memory_bytes [1-9][0-9]{6,}\n/);
    expect(text).toMatch(/nodejs_eventloop_delay_seconds\{quantile="0.99"\} [0-9]/);
  });
});

describe("the access log", () => {
  test("writes one JSON line for each call", () => {
    const lines: string[] = [];
    const failed = { status: 14, httpStatus: 200, failure: "no_endpoint" as const };
    accessLog(new TestingClock(), (line) => lines.push(line))(
      endedCall({ route, outcome: failed, durationMs: 1.23456 }),
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/\n$/);
    expect(JSON.parse(lines[0]!)).toEqual({
      time: "2023-11-14T22:13:20.000Z",
      direction: "outbound",
      path: getQuote,
      authority: "quoter",
      status: "UNAVAILABLE",
      httpStatus: 200,
      failure: "no_endpoint",
      ms: 1.235,
      upstream: "quoter",
      service: "quote-query",
      subset: "v1",
      endpoint: "quote-query-1",
      version: "v1",
      attempts: 1,
      requestId: "r-1",
      traceId: "b7".repeat(16),
    });
  });
});
