// A span for each projected record: kind CONSUMER, name `project <model>`, its parent the command that wrote the
// record. Given to Projection when tracing is on; imported only then, since it brings the OpenTelemetry API along. A
// record whose command was not sampled costs one look at its traceparent.

import { propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { LoggedRecord } from "../events/event-log.ts";
import type { BatchSpans } from "./projection.ts";

/** `model` as `quotes-v1`. */
export function projectSpans(model: string): BatchSpans {
  const tracer = trace.getTracer("ferry-projector");
  const start = ({ position, stream, record }: LoggedRecord): Span => {
    const parent = propagation.extract(ROOT_CONTEXT, { traceparent: record.traceparent });
    const attributes = {
      "ferry.model": model,
      "ferry.position": position,
      "ferry.stream": stream,
      "ferry.command_id": record.commandId,
    };
    return tracer.startSpan(`project ${model}`, { kind: SpanKind.CONSUMER, attributes }, parent);
  };
  return (records) => {
    const spans = records.filter(({ record }) => isSampled(record.traceparent)).map(start);
    return (error) => {
      for (const span of spans) {
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
        span.end();
      }
    };
  };
}

/** W3C trace context: the last two hex digits are the flags, and their lowest bit says sampled. */
function isSampled(traceparent: string): boolean {
  return traceparent.length === 55 && (Number.parseInt(traceparent.slice(53), 16) & 1) === 1;
}
