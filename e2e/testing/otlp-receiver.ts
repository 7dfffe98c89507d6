// A collector for one test: takes OTLP over HTTP, protobuf or JSON, gzip or not, and keeps the spans. The few fields of
// the protobuf form that a tree needs are read by their numbers (opentelemetry/proto/trace/v1/trace.proto).

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

export interface ReceivedSpan {
  /** `service.name` of the resource. */
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
}

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  readonly spans: readonly ReceivedSpan[];
  close(): void;
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const server = createServer(async (request, response) => {
    const isJson = request.headers["content-type"]?.includes("json") === true;
    const body = await bodyOf(request);
    if (request.url === "/v1/traces") spans.push(...(isJson ? readJson(body) : readTraces(body)));
    response.setHeader("content-type", isJson ? "application/json" : "application/x-protobuf");
    response.end(isJson ? "{}" : undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, spans, close: () => server.close().closeAllConnections() };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}

/** Calls `take` for each field of a message; numbers are given as they are, the rest as bytes. */
function eachField(bytes: Uint8Array, take: (field: number, value: Uint8Array | number) => void): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) take(field, reader.bytes());
    else if (type === WireType.Varint) take(field, Number(reader.uint64()));
    else reader.skip(type);
  }
}

/** ExportTraceServiceRequest: 1 resource_spans; ResourceSpans: 1 resource, 2 scope_spans; ScopeSpans: 2 spans. */
function readTraces(body: Uint8Array): ReceivedSpan[] {
  const spans: ReceivedSpan[] = [];
  eachField(body, (_resourceSpans, value) => {
    let service = "";
    const own: Uint8Array[] = [];
    eachField(value as Uint8Array, (field, part) => {
      if (field === 1) service = serviceNameOf(part as Uint8Array);
      if (field === 2) eachField(part as Uint8Array, (at, span) => void (at === 2 && own.push(span as Uint8Array)));
    });
    for (const span of own) spans.push(readSpan(span, service));
  });
  return spans;
}

/** Resource: 1 attributes; KeyValue: 1 key, 2 value; AnyValue: 1 string_value. */
function serviceNameOf(resource: Uint8Array): string {
  let name = "";
  eachField(resource, (field, attribute) => {
    if (field !== 1) return;
    const keyValue = fieldsOf(attribute as Uint8Array);
    if (textOf(keyValue.get(1)) === "service.name") name = textOf(fieldsOf(keyValue.get(2) as Uint8Array).get(1));
  });
  return name;
}

/** The last value of each field. */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, Uint8Array | number> {
  const fields = new Map<number, Uint8Array | number>();
  eachField(bytes, (field, value) => void fields.set(field, value));
  return fields;
}

function textOf(value: Uint8Array | number | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : "";
}

/** Span: 1 trace_id, 2 span_id, 4 parent_span_id, 5 name, 6 kind. */
function readSpan(bytes: Uint8Array, service: string): ReceivedSpan {
  const parts = fieldsOf(bytes);
  const raw = (field: number) => Buffer.from((parts.get(field) as Uint8Array | undefined) ?? []);
  return {
    service,
    traceId: raw(1).toString("hex"),
    spanId: raw(2).toString("hex"),
    parentSpanId: raw(4).toString("hex"),
    name: raw(5).toString(),
    kind: Number(parts.get(6) ?? 0),
  };
}

interface JsonTraces {
  resourceSpans?: {
    resource?: { attributes?: { key: string; value: { stringValue?: string } }[] };
    scopeSpans?: { spans?: (Omit<ReceivedSpan, "service" | "parentSpanId"> & { parentSpanId?: string })[] }[];
  }[];
}

function readJson(body: Buffer): ReceivedSpan[] {
  const { resourceSpans = [] } = JSON.parse(body.toString()) as JsonTraces;
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) => {
    const service = resource?.attributes?.find(({ key }) => key === "service.name")?.value.stringValue ?? "";
    return scopeSpans.flatMap(({ spans = [] }) => spans.map((span) => ({ parentSpanId: "", ...span, service })));
  });
}
