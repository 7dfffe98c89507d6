// What the process itself is doing, under the names that every Prometheus client library uses, and what the sidecar
// holds open. Read only when metrics are asked for, but for the delay of the event loop, which is sampled every 20 ms.

import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MetricRegistry } from "./metric-registry.ts";

/** What a sidecar holds open now, by listener or direction. */
export interface OpenCounts {
  /** Connections by where they came in or go to, as `inbound`, `outbound`, `pool`. */
  connections(): Readonly<Record<string, number>>;
  callsInFlight(): number;
}

export interface ProcessMetricsDeps {
  readonly registry: MetricRegistry;
  readonly open: OpenCounts;
  /** When the process began, milliseconds since 1970. */
  readonly startedWallMs: number;
}

/** Returns how to stop sampling. */
export function processMetrics({ registry, open, startedWallMs }: ProcessMetricsDeps): () => void {
  const single = (name: string, help: string, read: () => number, kind: "gauge" | "counter" = "gauge") =>
    registry.gauge({ name, help, labels: [] }, () => [{ labels: [], value: read() }], kind);

  registry.gauge({ name: "ferry_connections", help: "Connections open now.", labels: ["at"] }, () =>
    Object.entries(open.connections()).map(([at, value]) => ({ labels: [at], value })),
  );
  single("ferry_calls_in_flight", "Calls under way now, both directions.", () => open.callsInFlight());

  const cpuSeconds = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  single("process_cpu_seconds_total", "Processor time used, user and system.", cpuSeconds, "counter");
  single("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  registry.gauge(
    {
      name: "process_start_time_seconds",
      help: "When the process began, seconds since 1970; of several workers the first.",
      labels: [],
      merge: "min",
    },
    () => [{ labels: [], value: startedWallMs / 1000 }],
  );
  single("nodejs_heap_used_bytes", "Heap in use.", () => process.memoryUsage().heapUsed);

  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  registry.gauge(
    {
      name: "nodejs_eventloop_delay_seconds",
      help: "How late the event loop came since the last reading, by quantile; of several workers the latest.",
      labels: ["quantile"],
      merge: "max",
    },
    () => {
      const at = (quantile: number) => delay.percentile(quantile * 100) / 1e9;
      const readings = [0.5, 0.99, 1].map((quantile) => ({ labels: [String(quantile)], value: at(quantile) }));
      delay.reset();
      return readings;
    },
  );
  return () => void delay.disable();
}
