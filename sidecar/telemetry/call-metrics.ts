// What is counted about calls, tries, endpoints and connections: names in the spirit of gRFC A66 and linkerd. Fed by
// the record layer and by the hooks of retry, gate and listeners. Cardinality is bounded: `method` is a path only where
// descriptors know it, else `other`, because paths are the caller's to invent.
//
// Hot: `recorder` runs once per call; after the first call of a method on a route it makes no object and no string.

import type { EndpointCall, Outcome, RoutedCall } from "../call.ts";
import type { Decision, DecisionKind } from "../decision.ts";
import { statusName } from "../grpc/status.ts";
import type { Route } from "../routing/route-table.ts";
import type { Counter, Family, Histogram, MetricRegistry } from "./metric-registry.ts";
import { type MirrorMetrics, mirrorMetrics } from "./mirror-metrics.ts";
import type { EndedCall, Recorder } from "./record.ts";

/** Seconds: finer than gRFC A66 below 10 ms, where a sidecar's calls are. */
const durationBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface CallMetricsDeps {
  readonly registry: MetricRegistry;
  /** The service beside this sidecar: what inbound calls are counted under. */
  readonly service: string;
  /** Whether descriptors know the method with this path. */
  isKnownMethod(path: string): boolean;
}

export interface CallMetrics extends MirrorMetrics {
  readonly recorder: Recorder;
  /** A further try of a call, after one that ended like `outcome`. */
  countRetry(routed: RoutedCall, outcome: Outcome): void;
  /** An endpoint was ejected, for one method or all, by `reason`, one of a small fixed set. */
  countEjection(target: EndpointCall, reason: string): void;
  /** This sidecar closed a connection because of `reason`, one of a small fixed set. */
  countForcedClose(reason: string): void;
  /** This sidecar refused or reset one stream because of a limit, one of a small fixed set. */
  countRefusedStream(reason: string): void;
}

/** The labels a call is counted under but for how it ended. */
interface Key {
  readonly direction: EndedCall["direction"];
  readonly upstream: string;
  readonly service: string;
  readonly subset: string;
}

export function callMetrics({ registry, service, isKnownMethod }: CallMetricsDeps): CallMetrics {
  const target = ["direction", "upstream", "service", "subset"];
  const calls = registry.counter({
    name: "ferry_calls_total",
    help: "Calls that have ended, by how the caller saw them end.",
    labels: [...target, "method", "grpc_status", "failure"],
  });
  const durations = registry.histogram(
    {
      name: "ferry_call_duration_seconds",
      help: "From a call's header to the end of its reply, tries and waits included.",
      labels: [...target, "method"],
    },
    durationBounds,
  );
  const attempts = registry.counter({
    name: "ferry_attempts_total",
    help: "Tries that outbound calls took at endpoints; more than calls means retries.",
    labels: ["upstream", "service", "subset"],
  });
  const retries = registry.counter({
    name: "ferry_retries_total",
    help: "Further tries, by how the try before them ended.",
    labels: ["upstream", "service", "subset", "grpc_status", "failure"],
  });
  const decisions = registry.counter({
    name: "ferry_decisions_total",
    help: "What Ferry decided about calls on their way; each kind is in decisions.md.",
    labels: ["upstream", "service", "subset", "decision"],
  });
  const ejections = registry.counter({
    name: "ferry_endpoint_ejections_total",
    help: "How often this worker took an endpoint out of balancing, for all methods or one, because its calls failed.",
    labels: ["upstream", "service", "subset", "reason"],
  });
  const inbound = new TargetMetrics({ direction: "inbound", upstream: "", service, subset: "" }, undefined);
  const unrouted = new TargetMetrics({ direction: "outbound", upstream: "", service: "", subset: "" }, undefined);
  const byRoute = new WeakMap<Route, TargetMetrics>();
  const families: MethodFamilies = { calls, durations, isKnownMethod };

  function targetOf({ direction, call }: EndedCall): TargetMetrics {
    if (direction === "inbound") return inbound;
    const { route } = call.notes;
    if (route === undefined) return unrouted;
    let metrics = byRoute.get(route);
    if (metrics === undefined) {
      const { upstream, service: routed, subset } = route;
      const tries = attempts.child(upstream, routed, subset);
      metrics = new TargetMetrics({ direction, upstream, service: routed, subset }, tries);
      byRoute.set(route, metrics);
    }
    return metrics;
  }

  function recorder(ended: EndedCall): void {
    const { call, outcome, durationMs } = ended;
    const metrics = targetOf(ended);
    if (metrics.attempts !== undefined) metrics.attempts.value += call.notes.attempts;
    if (call.notes.decisions !== undefined) metrics.decided(call.notes.decisions, decisions);
    const method = metrics.method(call.path, families);
    method.ended(outcome).value++;
    method.duration.observe(durationMs / 1000);
  }

  return {
    recorder,
    countRetry({ route }, outcome) {
      const { upstream, service: routed, subset } = route;
      retries.child(upstream, routed, subset, statusName(outcome.status), outcome.failure ?? "").value++;
    },
    countEjection({ routed: { route } }, reason) {
      ejections.child(route.upstream, route.service, route.subset, reason).value++;
    },
    ...breachMetrics(registry),
    ...mirrorMetrics(registry),
  };
}

/** What peers were refused because of rules and limits. */
function breachMetrics(registry: MetricRegistry): Pick<CallMetrics, "countForcedClose" | "countRefusedStream"> {
  const forcedCloses = registry.counter({
    name: "ferry_forced_closes_total",
    help: "Connections that this sidecar closed because the peer broke a rule or a limit.",
    labels: ["reason"],
  });
  const refusedStreams = registry.counter({
    name: "ferry_streams_refused_total",
    help: "Streams that this sidecar refused or reset because of a limit, on connections that go on.",
    labels: ["reason"],
  });
  return {
    countForcedClose(reason) {
      forcedCloses.child(reason).value++;
    },
    countRefusedStream(reason) {
      refusedStreams.child(reason).value++;
    },
  };
}

interface MethodFamilies {
  readonly calls: Family<Counter>;
  readonly durations: Family<Histogram>;
  isKnownMethod(path: string): boolean;
}

/** One route, or all inbound calls: its methods that were called, by path. */
class TargetMetrics {
  readonly attempts: Counter | undefined;
  readonly #key: Key;
  readonly #methods = new Map<string, MethodMetrics>();
  #other: MethodMetrics | undefined = undefined;
  /** By kind; most routes never need it. */
  #decisions: Map<DecisionKind, Counter> | undefined = undefined;

  constructor(key: Key, attempts: Counter | undefined) {
    this.#key = key;
    this.attempts = attempts;
  }

  decided(made: readonly Decision[], family: Family<Counter>): void {
    this.#decisions ??= new Map();
    for (const { kind } of made) {
      let counter = this.#decisions.get(kind);
      if (counter === undefined) {
        const { upstream, service, subset } = this.#key;
        counter = family.child(upstream, service, subset, kind);
        this.#decisions.set(kind, counter);
      }
      counter.value++;
    }
  }

  method(path: string, families: MethodFamilies): MethodMetrics {
    const known = this.#methods.get(path);
    if (known !== undefined) return known;
    // Not remembered: the method may become known when its service has been asked.
    if (!families.isKnownMethod(path)) {
      this.#other ??= new MethodMetrics(this.#key, "other", families);
      return this.#other;
    }
    const created = new MethodMetrics(this.#key, path, families);
    this.#methods.set(path, created);
    return created;
  }
}

class MethodMetrics {
  readonly duration: Histogram;
  readonly #labels: readonly string[];
  readonly #calls: Family<Counter>;
  /** The application's own answers, by status number. */
  readonly #byStatus: (Counter | undefined)[] = new Array<Counter | undefined>(17).fill(undefined);
  /** Ferry's failures; few kinds, and not the usual case. */
  readonly #byFailure = new Map<string, Counter>();

  constructor({ direction, upstream, service, subset }: Key, method: string, { calls, durations }: MethodFamilies) {
    this.#labels = [direction, upstream, service, subset, method];
    this.#calls = calls;
    this.duration = durations.child(...this.#labels);
  }

  ended({ status, failure }: Outcome): Counter {
    if (failure === undefined) {
      this.#byStatus[status] ??= this.#calls.child(...this.#labels, statusName(status), "");
      return this.#byStatus[status];
    }
    let counter = this.#byFailure.get(failure);
    if (counter === undefined) {
      counter = this.#calls.child(...this.#labels, statusName(status), failure);
      this.#byFailure.set(failure, counter);
    }
    return counter;
  }
}
