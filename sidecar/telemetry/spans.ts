// Sends the spans of sampled calls to an OpenTelemetry collector (OTLP over HTTP, protobuf). The ids were chosen by the
// data part when the call came, so spans are handed to the SDK's batch processor as finished data, without its tracer.
// The SDK is loaded only when a collector is named: 143 ms and 23 MB. The parts that are needed are imported by
// themselves, because the whole sdk-node costs 735 ms and 73 MB.

import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { TraceContext } from "./trace-context.ts";

/** A hop's span, finished. */
export interface SpanRecord {
  readonly context: TraceContext;
  readonly name: string;
  readonly kind: "server" | "client";
  readonly startWallMs: number;
  readonly endWallMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** What happened on the way, in order. */
  readonly events: readonly SpanEvent[];
  /** What went wrong, in a word; undefined: nothing. */
  readonly error: string | undefined;
}

export interface SpanEvent {
  readonly name: string;
  readonly wallMs: number;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Spans {
  record(span: SpanRecord): void;
  /** Sends what is still queued, for at most a few seconds; afterwards spans are dropped. */
  shutdown(): Promise<void>;
}

export interface SpansParams {
  /** OTEL_EXPORTER_OTLP_ENDPOINT, as `http://127.0.0.1:4318`; `/v1/traces` is added. */
  readonly endpoint: string;
  /** As `quote-query sidecar` or `gateway`. */
  readonly serviceName: string;
  /** The instance's id. */
  readonly instance: string;
  readonly version: string;
}

/** Spans that may wait for a collector that is slow; more are dropped. */
const maxQueuedSpans = 4_096;
const exportEveryMs = 1_000;
const exportTimeoutMs = 3_000;

/** Loads the SDK. Rejects when `endpoint` is no http URL. */
export async function startSpans(params: SpansParams): Promise<Spans> {
  const url = tracesUrl(params.endpoint);
  const [{ BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/exporter-trace-otlp-proto"),
    import("@opentelemetry/resources"),
  ]);
  const processor: SpanProcessor = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMs }),
    maxQueueSize: maxQueuedSpans,
    maxExportBatchSize: 512,
    scheduledDelayMillis: exportEveryMs,
    exportTimeoutMillis: exportTimeoutMs,
  });
  const resource = resourceFromAttributes({
    "service.name": params.serviceName,
    "service.instance.id": params.instance,
    ...(params.version !== "" && { "service.version": params.version }),
  });
  return {
    record: (span) => processor.onEnd(readableSpan(span, resource)),
    shutdown: () => processor.shutdown(),
  };
}

function tracesUrl(endpoint: string): string {
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw new Error(`OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}: expected an http URL, as http://127.0.0.1:4318`);
  }
  return `${endpoint.replace(/\/+$/, "")}/v1/traces`;
}

// Numbers of @opentelemetry/api's enums SpanKind and SpanStatusCode, which are not worth an import of their own.
const spanKinds = { server: 1, client: 2 } as const;
const unset = 0;
const failed = 2;
const sampledFlag = 1;

function readableSpan(span: SpanRecord, resource: ReadableSpan["resource"]): ReadableSpan {
  const { traceId, spanId, parentSpanId } = span.context;
  return {
    name: span.name,
    kind: spanKinds[span.kind],
    spanContext: () => ({ traceId, spanId, traceFlags: sampledFlag }),
    ...(parentSpanId !== undefined && {
      parentSpanContext: { traceId, spanId: parentSpanId, traceFlags: sampledFlag, isRemote: true },
    }),
    startTime: hrTime(span.startWallMs),
    endTime: hrTime(span.endWallMs),
    duration: hrTime(span.endWallMs - span.startWallMs),
    status: span.error === undefined ? { code: unset } : { code: failed, message: span.error },
    attributes: { ...span.attributes },
    links: [],
    events: span.events.map(({ name, wallMs, attributes }) => ({
      ...{ name, time: hrTime(wallMs), attributes: { ...attributes } },
      droppedAttributesCount: 0,
    })),
    ended: true,
    resource,
    instrumentationScope: { name: "ferry" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
