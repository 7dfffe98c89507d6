// The span of a call that `ferry call` makes: its id always goes out in `traceparent`, and the span itself goes to an
// OTLP collector when one is named. The exporter is imported only then.

import { systemClock } from "../../common/clock.ts";
import { randomHex } from "../../common/random.ts";

export interface ClientSpan {
  readonly traceparent: string;
  /** Sends the span; a collector that is away is told as the return value and never fails the call. */
  end(outcome: { code: string; message: string }): Promise<string | undefined>;
}

export interface ClientSpanParams {
  readonly service: string;
  readonly method: string;
  readonly serverAddress: string;
  /** Base URL of the collector, as http://127.0.0.1:4318; null: none. */
  readonly endpoint: string | null;
  readonly serviceName: string;
}

export function startClientSpan(params: ClientSpanParams): ClientSpan {
  const traceId = randomHex(16);
  const spanId = randomHex(8);
  const startMs = systemClock.wallMs();
  const startedMs = systemClock.nowMs();
  return {
    traceparent: `00-${traceId}-${spanId}-01`,
    async end(outcome) {
      if (params.endpoint === null) return undefined;
      const endMs = startMs + (systemClock.nowMs() - startedMs);
      return exportSpan(params, { traceId, spanId, startMs, endMs, ...outcome });
    },
  };
}

interface FinishedSpan {
  traceId: string;
  spanId: string;
  startMs: number;
  endMs: number;
  code: string;
  message: string;
}

/** OpenTelemetry's numbers: SpanKind.CLIENT, SpanStatusCode.UNSET and ERROR, ExportResultCode.SUCCESS. */
const client = 2;
const statusUnset = 0;
const statusError = 2;
const exported = 0;

async function exportSpan(params: ClientSpanParams, span: FinishedSpan): Promise<string | undefined> {
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
  const url = `${params.endpoint?.replace(/\/+$/, "")}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: 2000 });
  type ReadableSpan = Parameters<typeof exporter.export>[0][number];
  const isOk = span.code === "OK";
  const readable = {
    name: `${params.service}/${params.method}`,
    kind: client,
    spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags: 1 }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.endMs),
    duration: hrTime(span.endMs - span.startMs),
    status: isOk ? { code: statusUnset } : { code: statusError, message: span.message },
    attributes: {
      "rpc.system": "grpc",
      "rpc.service": params.service,
      "rpc.method": params.method,
      "rpc.response.status_code": span.code,
      "server.address": params.serverAddress,
    },
    links: [],
    events: [],
    ended: true,
    resource: { attributes: { "service.name": params.serviceName } },
    instrumentationScope: { name: "ferry-call" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  } as unknown as ReadableSpan;
  const result = await new Promise<{ code: number; error?: Error }>((resolve) => exporter.export([readable], resolve));
  await exporter.shutdown();
  return result.code === exported ? undefined : `${url}: ${result.error?.message ?? "the span was not taken"}`;
}

/** Milliseconds as OpenTelemetry's [seconds, nanoseconds]. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
