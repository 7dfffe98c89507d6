import { expect, test } from "vitest";
import type { RoutedCall } from "../call.ts";
import { MetricRegistry } from "./metric-registry.ts";
import { mirrorMetrics } from "./mirror-metrics.ts";
import { prometheusText } from "./prometheus-text.ts";

test("copies are counted by what became of them, under the upstream of the real call", () => {
  const registry = new MetricRegistry();
  const metrics = mirrorMetrics(registry);
  const routed = { route: { upstream: "quoter", service: "quote-query", subset: "v1" } } as RoutedCall;
  const target = { name: "quote-query/v2", service: "quote-query", subset: "v2", percent: 10 };
  metrics.countMirrored(routed, target, "ok");
  metrics.countMirrored(routed, target, "ok");
  metrics.countMirrored(routed, target, "full");
  const text = prometheusText(registry.snapshot());
  const at = 'upstream="quoter",service="quote-query",subset="v2"';
  expect(text).toContain(`ferry_mirrored_calls_total{${at},result="ok"} 2\n`);
  expect(text).toContain(`ferry_mirrored_calls_total{${at},result="full"} 1\n`);
});
