// Spans of a service process. Called by its main; `serve` runs every handler inside a SERVER span whose parent is the
// caller's `traceparent`, and whatever the handler starts through the OpenTelemetry API becomes that span's child.
// The SDK costs 0.8 s and 75 MB to load, so it is imported only when a collector is named, and nothing here touches
// the OpenTelemetry API before that. W3C trace context (https://www.w3.org/TR/trace-context/); OTLP over HTTP.

import type { Attributes, Context, TextMapGetter } from "@opentelemetry/api";

/** What a call is, for its span. */
export interface SpanOfCall {
  /** Full name, as `quoter.query.v1.QuoteQueryService`. */
  readonly service: string;
  readonly method: string;
  /** Reads a request header. */
  readonly header: (name: string) => string | undefined;
}

export interface ServerSpan {
  /** What to write on: this span's `traceparent`. */
  readonly traceparent: string;
  /** Runs `work`, and all that it awaits, inside the span. */
  run<T>(work: () => T): T;
  /** Ends the span with the call's gRPC status code. */
  end(code: number, message: string): void;
}

export interface Tracing {
  serverSpan(call: SpanOfCall): ServerSpan;
  /** Sends what is still queued; after it spans go nowhere. */
  shutdown(): Promise<void>;
}

/**
 * Starts OpenTelemetry and sets its globals. Undefined, with nothing loaded, unless OTEL_EXPORTER_OTLP_ENDPOINT is set.
 * OTEL_SERVICE_NAME overrides `serviceName`; OTEL_TRACES_SAMPLER_ARG is the share of new traces that is recorded
 * (default 1), while a caller's decision is always kept. Throws on an endpoint that is no URL or a share outside 0..1.
 */
export async function startTracing(options: {
  serviceName: string;
  env: NodeJS.ProcessEnv;
}): Promise<Tracing | undefined> {
  const { env } = options;
  const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined || endpoint === "") return undefined;
  const ratio = samplingRatio(env.OTEL_TRACES_SAMPLER_ARG);
  if (!URL.canParse(endpoint)) throw new Error(`OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}: expected a URL`);
  const [api, { NodeSDK }, { OTLPTraceExporter }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-node"),
    import("@opentelemetry/exporter-trace-otlp-proto"),
  ]);
  const sdk = new NodeSDK({
    serviceName: env.OTEL_SERVICE_NAME || options.serviceName,
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces` }),
    sampler: {
      shouldSample(parent: Context, traceId: string) {
        const caller = api.trace.getSpanContext(parent);
        const isSampled = caller === undefined ? isWithin(ratio, traceId) : (caller.traceFlags & 1) === 1;
        return { decision: isSampled ? recordAndSample : doNotRecord };
      },
      toString: () => `ferry(${ratio})`,
    },
    autoDetectResources: false,
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  return { serverSpan: serverSpans(api), shutdown: () => sdk.shutdown() };
}

/** SamplingDecision of the SDK, whose enum would have to be imported for its two numbers. */
const doNotRecord = 0;
const recordAndSample = 2;

function samplingRatio(text: string | undefined): number {
  if (text === undefined || text === "") return 1;
  const ratio = Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  throw new Error(`OTEL_TRACES_SAMPLER_ARG=${text}: expected a number from 0 to 1`);
}

/** The same answer for the same trace in every process: the id's last 32 bits are random by W3C's rule. */
function isWithin(ratio: number, traceId: string): boolean {
  return Number.parseInt(traceId.slice(-8), 16) < ratio * 2 ** 32;
}

function serverSpans(api: typeof import("@opentelemetry/api")): (call: SpanOfCall) => ServerSpan {
  const tracer = api.trace.getTracer("ferry-kit");
  const fromHeader: TextMapGetter<SpanOfCall["header"]> = {
    keys: () => ["traceparent", "tracestate"],
    get: (header, name) => header(name),
  };
  return (call) => {
    const parent = api.propagation.extract(api.ROOT_CONTEXT, call.header, fromHeader);
    const attributes: Attributes = { "rpc.system": "grpc", "rpc.service": call.service, "rpc.method": call.method };
    const name = `${call.service}/${call.method}`;
    const span = tracer.startSpan(name, { kind: api.SpanKind.SERVER, attributes }, parent);
    const within = api.trace.setSpan(parent, span);
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      traceparent: `00-${traceId}-${spanId}-${(traceFlags & 1) === 1 ? "01" : "00"}`,
      run: (work) => api.context.with(within, work),
      end(code, message) {
        span.setAttribute("rpc.grpc.status_code", code);
        if (isServerFault(code)) span.setStatus({ code: api.SpanStatusCode.ERROR, message });
        span.end();
      },
    };
  };
}

/** OpenTelemetry's rule for a SERVER span: only what is the server's own fault is an error. */
function isServerFault(code: number): boolean {
  return code === 2 || code === 4 || code === 12 || code === 13 || code === 14 || code === 15;
}
