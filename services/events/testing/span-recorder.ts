// OpenTelemetry's globals for tests: spans are kept in a list instead of being sent. The SDK itself would cost a
// second.

import {
  type Attributes,
  context,
  propagation,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  type SpanStatus,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";

export interface RecordedSpan {
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  /** Undefined for a root. */
  readonly parentSpanId: string | undefined;
  readonly attributes: Attributes;
  status: SpanStatus | undefined;
  isEnded: boolean;
}

/** Sets the globals; `spans` fills as spans are started. Call `restore` at the end. */
export function recordSpans(): { readonly spans: readonly RecordedSpan[]; restore(): void } {
  const spans: RecordedSpan[] = [];
  const startSpan = (name: string, options: SpanOptions = {}, parent = context.active()): Span => {
    const above = trace.getSpanContext(parent);
    const span: RecordedSpan = {
      name,
      kind: SpanKind[options.kind ?? SpanKind.INTERNAL],
      traceId: above?.traceId ?? "f".repeat(32),
      parentSpanId: above?.spanId,
      attributes: { ...options.attributes },
      status: undefined,
      isEnded: false,
    };
    spans.push(span);
    return asSpan(span, String(spans.length).padStart(16, "0"));
  };
  trace.setGlobalTracerProvider({
    getTracer: () => ({ startSpan, startActiveSpan: () => Promise.reject(new Error("not recorded")) as never }),
  });
  propagation.setGlobalPropagator({
    inject: () => {},
    extract: (parent, from, getter) => extract(parent, from, getter),
    fields: () => [],
  });
  return {
    spans,
    restore() {
      trace.disable();
      propagation.disable();
    },
  };
}

/** A part of W3C trace context: `00-<trace>-<span>-<flags>`. */
function extract<C>(parent: ReturnType<typeof context.active>, carrier: C, getter: TextMapGetter<C>) {
  const [, traceId, spanId, flags] = String(getter.get(carrier, "traceparent") ?? "").split("-");
  if (traceId === undefined || spanId === undefined) return parent;
  return trace.setSpanContext(parent, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags ?? "0", 16),
    isRemote: true,
  });
}

function asSpan(recorded: RecordedSpan, spanId: string): Span {
  const spanContext: SpanContext = { traceId: recorded.traceId, spanId, traceFlags: 1 };
  const span: Span = {
    spanContext: () => spanContext,
    setAttribute(key, value) {
      recorded.attributes[key] = value;
      return span;
    },
    setStatus(status) {
      recorded.status = status;
      return span;
    },
    end() {
      recorded.isEnded = true;
    },
    isRecording: () => !recorded.isEnded,
    setAttributes: () => span,
    addEvent: () => span,
    addLink: () => span,
    addLinks: () => span,
    updateName: () => span,
    recordException: () => {},
  };
  return span;
}
