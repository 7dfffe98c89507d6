// What a sidecar records about its calls and about itself: metrics always, spans when a collector is named, an access
// log when asked for. Built once by sidecar.ts; the recorders go into both stacks.

import type { Clock } from "../common/clock.ts";
import { accessLog } from "./telemetry/access-log.ts";
import { type CallMetrics, callMetrics } from "./telemetry/call-metrics.ts";
import { MetricRegistry } from "./telemetry/metric-registry.ts";
import { type OpenCounts, processMetrics } from "./telemetry/process-metrics.ts";
import type { Recorder } from "./telemetry/record.ts";
import { spanRecorder } from "./telemetry/span-recorder.ts";
import type { Spans } from "./telemetry/spans.ts";

export interface ObservationParams {
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  readonly isGateway: boolean;
  /** Where spans go; null: nowhere, and the SDK is not loaded. */
  readonly otlpEndpoint: string | null;
  /** Instead of a name made from the service. */
  readonly otelServiceName: string | null;
  readonly hasAccessLog: boolean;
}

export interface ObservationDeps {
  readonly clock: Clock;
  readonly open: OpenCounts;
  isKnownMethod(path: string): boolean;
  /** Where access log lines go. */
  write(line: string): void;
}

export interface Observation {
  readonly registry: MetricRegistry;
  readonly metrics: CallMetrics;
  readonly recorders: readonly Recorder[];
  /** Sends what is queued and stops sampling. */
  close(): Promise<void>;
}

/** Rejects when the collector's address is no http URL. */
export async function startObservation(params: ObservationParams, deps: ObservationDeps): Promise<Observation> {
  const { service, instance, version, isGateway, otlpEndpoint, otelServiceName } = params;
  const { clock } = deps;
  const registry = new MetricRegistry();
  const metrics = callMetrics({ registry, service, isKnownMethod: (path) => deps.isKnownMethod(path) });
  const stopSampling = processMetrics({ registry, open: deps.open, startedWallMs: clock.wallMs() });
  const recorders: Recorder[] = [metrics.recorder];
  if (params.hasAccessLog) recorders.push(accessLog(clock, (line) => deps.write(line)));
  let spans: Spans | undefined;
  if (otlpEndpoint !== null) {
    // The SDK costs tens of megabytes: loaded only where there is somebody to send to.
    const { startSpans } = await import("./telemetry/spans.ts");
    const serviceName = otelServiceName ?? (isGateway ? "gateway" : `${service} sidecar`);
    spans = await startSpans({ endpoint: otlpEndpoint, serviceName, instance, version });
    recorders.push(spanRecorder(spans, clock, isGateway));
  }
  return {
    registry,
    metrics,
    recorders,
    async close() {
      stopSampling();
      await spans?.shutdown();
    },
  };
}
