import { expect, test } from "vitest";
import { limitMetrics } from "./limit-metrics.ts";
import { MetricRegistry } from "./metric-registry.ts";
import { prometheusText } from "./prometheus-text.ts";

test("limits are read when metrics are asked for, and not before", () => {
  const registry = new MetricRegistry();
  let reads = 0;
  let inFlight = 1;
  limitMetrics(registry, () => {
    reads++;
    return [{ direction: "outbound", service: "s", method: "", limit: 10, inFlight, pending: 2 }];
  });
  expect(reads).toBe(0);
  inFlight = 7;
  const text = prometheusText(registry.snapshot());
  expect(text).toContain('ferry_limit_calls{direction="outbound",service="s",method=""} 10');
  expect(text).toContain('ferry_limit_in_flight{direction="outbound",service="s",method=""} 7');
  expect(text).toContain('ferry_limit_pending{direction="outbound",service="s",method=""} 2');
});
