// How full the limits on calls are: gauges that are read only when metrics are asked for, so that a call pays nothing
// for them. What was refused is counted elsewhere, by kind of failure (ferry_calls_total) and decision
// (ferry_decisions_total). Each worker has its share of a limit; shown is what they have together.

import type { GaugeReading, MetricRegistry } from "./metric-registry.ts";

export interface LimitReading {
  readonly direction: "inbound" | "outbound";
  /** The service that is called. */
  readonly service: string;
  /** The method's path for an adaptive limit; empty for a whole service. */
  readonly method: string;
  /** Calls that may be under way. */
  readonly limit: number;
  readonly inFlight: number;
  /** Calls that wait for a place. */
  readonly pending: number;
}

export function limitMetrics(registry: MetricRegistry, read: () => readonly LimitReading[]): void {
  const labels = ["direction", "service", "method"];
  const gauge = (name: string, help: string, value: (reading: LimitReading) => number) =>
    registry.gauge({ name, help, labels }, (): readonly GaugeReading[] =>
      read().map((reading) => ({
        labels: [reading.direction, reading.service, reading.method],
        value: value(reading),
      })),
    );
  gauge(
    "ferry_limit_calls",
    "Calls that may be under way, in all workers together; with a method it is the adaptive limit's present value.",
    ({ limit }) => limit,
  );
  gauge("ferry_limit_in_flight", "Calls under way that count for the limit.", ({ inFlight }) => inFlight);
  gauge("ferry_limit_pending", "Calls that wait for a place.", ({ pending }) => pending);
}
