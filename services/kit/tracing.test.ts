import { create } from "@bufbuild/protobuf";
import { trace } from "@opentelemetry/api";
import { afterEach, describe, expect, test } from "vitest";
import { jsonLog } from "../../common/json-log.ts";
import { startOtlpReceiver } from "../../e2e/testing/otlp-receiver.ts";
import { GetReadModelResponseSchema, ReadModelService } from "../../gen/ferry/admin/v1/read_model_service_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { implement } from "./handler.ts";
import { serve } from "./serve.ts";
import { testClient } from "./testing/grpc-client.ts";
import { startTracing, type Tracing } from "./tracing.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A server whose handler starts a span of its own through OpenTelemetry; gives what the handler saw as traceparent. */
async function start(tracing: Tracing | undefined) {
  const seen: string[] = [];
  const service = implement(ReadModelService, {
    async getReadModel(_request, context) {
      seen.push(context.traceparent);
      await new Promise((resolve) => setImmediate(resolve));
      trace.getTracer("test").startSpan("inner").end();
      return create(GetReadModelResponseSchema);
    },
  });
  const serving = await serve({
    listen: { host: "127.0.0.1", port: 0 },
    services: [service],
    health: async () => ({ ok: true, detail: "" }),
    headers: {},
    log: jsonLog("test", "error"),
    tracing,
    drainGraceMs: 1000,
  });
  const client = testClient(serving.port);
  cleanUps.push(
    () => serving.drain(),
    () => client.close(),
  );
  return { client, seen };
}

const { getReadModel } = ReadModelService.method;
const caller = { traceId: "a".repeat(32), spanId: "b".repeat(16) };
const traceparent = (flags: string) => `00-${caller.traceId}-${caller.spanId}-${flags}`;

describe("tracing", () => {
  test("is off without an endpoint; the caller's traceparent is then handed on as it came", async () => {
    expect(await startTracing({ serviceName: "s", env: {} })).toBeUndefined();
    const { client, seen } = await start(undefined);
    await client.unary(getReadModel, {}, { headers: { traceparent: traceparent("01") } });
    await client.unary(getReadModel, {});
    expect(seen).toEqual([traceparent("01"), ""]);
  });

  test("refuses an endpoint that is no URL and a share that is none", async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "here" };
    await expect(startTracing({ serviceName: "s", env })).rejects.toThrow("OTEL_EXPORTER_OTLP_ENDPOINT=here");
    const half = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_SAMPLER_ARG: "half" };
    await expect(startTracing({ serviceName: "s", env: half })).rejects.toThrow("OTEL_TRACES_SAMPLER_ARG=half");
  });

  // Takes a second: it loads the SDK.
  test("makes a SERVER span below the caller's and above the handler's, and keeps to a caller's no", async () => {
    const receiver = await startOtlpReceiver();
    cleanUps.push(() => receiver.close());
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_TRACES_SAMPLER_ARG: "0" };
    const tracing = await startTracing({ serviceName: "quote-test", env });
    const { client, seen } = await start(tracing);
    await client.unary(getReadModel, {}, { headers: { traceparent: traceparent("00") } });
    await client.unary(getReadModel, {}); // a new trace, of which the share is 0
    await client.unary(getReadModel, {}, { headers: { traceparent: traceparent("01") } });
    // Probes make no spans, even where the caller records.
    await client.unary(Health.method.check, {}, { headers: { traceparent: traceparent("01") } });
    await tracing?.shutdown();

    const server = receiver.spans.find(({ kind }) => kind === 2);
    const inner = receiver.spans.find(({ name }) => name === "inner");
    expect(receiver.spans.length).toBe(2);
    expect(server).toMatchObject({
      service: "quote-test",
      name: "ferry.admin.v1.ReadModelService/GetReadModel",
      traceId: caller.traceId,
      parentSpanId: caller.spanId,
    });
    expect(inner).toMatchObject({ traceId: caller.traceId, parentSpanId: server?.spanId });
    expect(seen[2]).toBe(`00-${caller.traceId}-${server?.spanId}-01`);
    expect(seen[0]).toMatch(new RegExp(`^00-${caller.traceId}-[0-9a-f]{16}-00$`));
    expect(seen[1]).toMatch(/-00$/);
  });
});
