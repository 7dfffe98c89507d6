// How many endpoints are out of rotation at present: counted when metrics are asked for. What took them out is counted
// in call-metrics.ts.

import type { MetricRegistry } from "./metric-registry.ts";

/** `read`: endpoints by upstream that are ejected or probing, as a whole or for some method. */
export function ejectionGauge(registry: MetricRegistry, read: () => Readonly<Record<string, number>>): void {
  registry.gauge(
    {
      name: "ferry_endpoints_ejected",
      help: "Endpoints kept out of balancing now, for all methods or for some; each worker judges for itself, and the most that one keeps out are shown.",
      labels: ["upstream"],
      merge: "max",
    },
    () => Object.entries(read()).map(([upstream, value]) => ({ labels: [upstream], value })),
  );
}
