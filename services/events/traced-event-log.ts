// Wraps any event log so that each append is a span: kind PRODUCER, name `append <stream kind>`. Its parent is the span
// that is active (the handler's), else the record's own traceparent. Used by mains when tracing is on, and imported
// only then, since loading the OpenTelemetry API costs start-up time. A conflict is an outcome, not an error of the
// span.

import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { CommandRecord } from "../../gen/quoter/events/v1/events_pb.ts";
import type { AppendResult, EventLog } from "./event-log.ts";
import { streamKind } from "./stream-name.ts";

/** `log`, with spans around its appends; everything else goes straight through. */
export function tracedEventLog(log: EventLog): EventLog {
  const tracer = trace.getTracer("ferry-events");
  const append = (stream: string, expectedVersion: number, record: CommandRecord) => {
    const active = context.active();
    const isActive = trace.getSpan(active) !== undefined;
    const parent = isActive ? active : propagation.extract(active, { traceparent: record.traceparent });
    const attributes = {
      "ferry.stream": stream,
      "ferry.expected_version": expectedVersion,
      "ferry.command_id": record.commandId,
      "ferry.events": record.events.length,
    };
    const span = tracer.startSpan(`append ${streamKind(stream)}`, { kind: SpanKind.PRODUCER, attributes }, parent);
    return finish(span, log.append(stream, expectedVersion, record));
  };
  return {
    append,
    readStream: (stream, fromVersion, limit) => log.readStream(stream, fromVersion, limit),
    streamVersion: (stream) => log.streamVersion(stream),
    readAll: (after, limit) => log.readAll(after, limit),
    head: () => log.head(),
    follow: (...all) => log.follow(...all),
    health: () => log.health(),
    close: () => log.close(),
  };
}

async function finish(span: Span, appending: Promise<AppendResult>): Promise<AppendResult> {
  try {
    const result = await appending;
    if (result.ok) span.setAttribute("ferry.position", result.position);
    else span.setAttribute("ferry.conflict", result.conflict.actualVersion);
    return result;
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    throw error;
  } finally {
    span.end();
  }
}
