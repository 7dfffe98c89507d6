// How the workers of a sidecar are: read only when metrics are asked for. A sidecar without further processes has none
// of these. Called by worker/worker-set.ts.

import type { MetricRegistry } from "./metric-registry.ts";

export interface WorkerCounts {
  /** Ready now. */
  readonly running: number;
  /** Died and were replaced since the start. */
  readonly replaced: number;
}

export function workerMetrics(registry: MetricRegistry, read: () => WorkerCounts): void {
  registry.gauge({ name: "ferry_workers", help: "Workers that take connections now.", labels: [] }, () => [
    { labels: [], value: read().running },
  ]);
  registry.gauge(
    { name: "ferry_workers_replaced_total", help: "Workers that died and were replaced.", labels: [] },
    () => [{ labels: [], value: read().replaced }],
    "counter",
  );
}
