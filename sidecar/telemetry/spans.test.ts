import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFields, type WireValue } from "../../common/protobuf-wire.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { spanRecorder } from "./span-recorder.ts";
import { startSpans } from "./spans.ts";
import { endedCall, route } from "./testing/ended-call.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parent = "00f067aa0ba902b7";

const bodies: Buffer[] = [];
let collector: Server;
let endpoint: string;

beforeAll(async () => {
  collector = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    bodies.push(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
});

afterAll(() => {
  collector.close();
});

type Fields = Record<number, WireValue[]>;

function fieldsOf(message: WireValue | undefined): Fields {
  const fields: Fields = {};
  if (typeof message === "object") readFields(message, (no, value) => (fields[no] = [...(fields[no] ?? []), value]));
  return fields;
}

/** ExportTraceServiceRequest: resource_spans 1 { resource 1, scope_spans 2 { spans 2 } }. */
function received() {
  return bodies.flatMap((body) =>
    (fieldsOf(body)[1] ?? []).map((resourceSpans) => {
      const resource = fieldsOf(fieldsOf(resourceSpans)[1]?.[0]);
      const scopes = (fieldsOf(resourceSpans)[2] ?? []).map(fieldsOf);
      return {
        resource: attributes(resource[1]),
        spans: scopes.flatMap((scope) => (scope[2] ?? []).map(fieldsOf)),
      };
    }),
  );
}

function attributes(list: WireValue[] = []): Record<string, string> {
  const entries = list.map((keyValue): [string, string] => {
    const { 1: key, 2: value } = fieldsOf(keyValue);
    const any = fieldsOf(value?.[0]);
    return [String(key?.[0]), String(any[1]?.[0] ?? any[3]?.[0] ?? "")];
  });
  return Object.fromEntries(entries);
}

const hex = (value: WireValue | undefined) => (value as Buffer).toString("hex");

describe("spans", () => {
  test("of sampled calls reach the collector with the ids that the data part chose", async () => {
    const clock = new TestingClock();
    const spans = await startSpans({ endpoint, serviceName: "quote-query sidecar", instance: "q-1", version: "v1" });
    const recorder = spanRecorder(spans, clock, false);
    recorder(endedCall({ traceparent: `00-${traceId}-${parent}-00` }));
    recorder(endedCall({ traceparent: `00-${traceId}-${parent}-01`, route, durationMs: 250, attempts: 2 }));
    const failed = { status: 14, httpStatus: 200, failure: "no_endpoint" as const };
    recorder(endedCall({ traceparent: `00-${traceId}-${parent}-01`, direction: "inbound", outcome: failed }));
    await spans.shutdown();

    const [batch] = received();
    expect(batch?.resource).toMatchObject({ "service.name": "quote-query sidecar", "service.instance.id": "q-1" });
    expect(batch?.spans).toHaveLength(2);
    const [client, server] = batch!.spans;
    expect(hex(client![1]![0])).toBe(traceId);
    expect(hex(client![2]![0])).toBe("b7".repeat(8));
    expect(hex(client![4]![0])).toBe(parent);
    expect(String(client![5]![0])).toBe("quoter.query.v1.QuoteQueryService/GetQuote");
    expect(client![6]).toEqual([3]);
    const startNanos = (client![7]![0] as Buffer).readBigUInt64LE();
    const endNanos = (client![8]![0] as Buffer).readBigUInt64LE();
    expect(endNanos).toBe(BigInt(clock.wallMs()) * 1_000_000n);
    expect(endNanos - startNanos).toBe(250_000_000n);
    expect(attributes(client![9])).toMatchObject({
      "rpc.service": "quoter.query.v1.QuoteQueryService",
      "rpc.method": "GetQuote",
      "ferry.service": "quote-query",
      "ferry.attempts": "2",
      "ferry.endpoint": "quote-query-1",
    });
    expect(server![6]).toEqual([2]);
    expect(attributes(server![9])["ferry.failure"]).toBe("no_endpoint");
    expect(fieldsOf(server![15]![0])[3]).toEqual([2]);
  });

  test("carry each decision as an event, at the time that it was made", async () => {
    bodies.length = 0;
    const clock = new TestingClock();
    const spans = await startSpans({ endpoint, serviceName: "s", instance: "i", version: "" });
    const decisions = [{ kind: "retry" as const, atMs: 40, detail: "try 1 ended with UNAVAILABLE" }];
    spanRecorder(
      spans,
      clock,
      false,
    )(endedCall({ traceparent: `00-${traceId}-${parent}-01`, route, durationMs: 250, decisions }));
    await spans.shutdown();

    const span = received()[0]?.spans[0];
    const events = (span?.[11] ?? []).map(fieldsOf);
    expect(events).toHaveLength(1);
    expect((events[0]![1]![0] as Buffer).readBigUInt64LE()).toBe(BigInt(clock.wallMs() - 250 + 40) * 1_000_000n);
    expect(String(events[0]![2]![0])).toBe("retry");
    expect(attributes(events[0]![3])).toEqual({ "ferry.detail": "try 1 ended with UNAVAILABLE" });
  });

  test("a collector address that is none is refused with the setting's name", async () => {
    const params = { endpoint: "collector:4318", serviceName: "s", instance: "i", version: "" };
    await expect(startSpans(params)).rejects.toThrow(
      "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318: expected an http URL",
    );
  });
});
