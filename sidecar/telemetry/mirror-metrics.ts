// What became of mirrored copies, for whoever compares a new version with the old one. Fed by the mirror layer's hook.
// `upstream` is what the real call was for; service and subset are the target's. Runs once per copy.

import type { RoutedCall } from "../call.ts";
import type { MirrorTarget } from "../routing/policy/mirror-policy.ts";
import type { MetricRegistry } from "./metric-registry.ts";

export interface MirrorMetrics {
  /** A call was chosen to be copied; `result` is one of a small fixed set. */
  countMirrored(routed: RoutedCall, target: MirrorTarget, result: string): void;
}

export function mirrorMetrics(registry: MetricRegistry): MirrorMetrics {
  const copies = registry.counter({
    name: "ferry_mirrored_calls_total",
    help: "Calls that were chosen to be mirrored, by what became of the copy: ok, error, failed, or why none was sent.",
    labels: ["upstream", "service", "subset", "result"],
  });
  return {
    countMirrored({ route }, { service, subset }, result) {
      copies.child(route.upstream, service, subset, result).value++;
    },
  };
}
