// One command is one trace: from the caller's command line over every hop to both read models, span by span.

import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SubmitQuoteRequestSchema } from "../gen/quoter/command/v1/quote_command_service_pb.ts";
import { eventually } from "./testing/eventually.ts";
import { root, startFerry } from "./testing/ferry.ts";
import { GrpcClient } from "./testing/grpc-client.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "./testing/otlp-receiver.ts";
import { command } from "./testing/quoter-services.ts";
import { startStack, type TestStack } from "./testing/stack.ts";

let receiver: OtlpReceiver;
let stack: TestStack;

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  stack = await startStack({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint });
});
afterAll(async () => {
  await stack?.dispose();
  receiver?.close();
});

const kinds = ["", "internal", "server", "client", "producer", "consumer"];

/** The trace as lines, children indented below their parent, siblings by name. */
function treeOf(spans: readonly ReceivedSpan[], parent = "", indent = ""): string[] {
  return spans
    .filter(({ parentSpanId }) => parentSpanId === parent)
    .map((span) => ({ span, line: `${span.service}: ${span.name} (${kinds[span.kind]})` }))
    .sort((a, b) => (a.line < b.line ? -1 : 1))
    .flatMap(({ span, line }) => [`${indent}${line}`, ...treeOf(spans, span.spanId, `${indent}  `)]);
}

/** Waits until a trace has `count` spans; exporters send in batches, up to some seconds late. */
async function traceOf(traceId: string, count: number): Promise<readonly ReceivedSpan[]> {
  const ofTrace = () => receiver.spans.filter((span) => span.traceId === traceId);
  return eventually(`${count} spans`, 20_000, async () => {
    if (ofTrace().length >= count) return ofTrace();
    throw new Error(
      `only\n${ofTrace()
        .map((span) => JSON.stringify(span))
        .join("\n")}`,
    );
  });
}

const submit = "quoter.command.v1.QuoteCommandService/SubmitQuote";
const handled = [
  `quote-command: ${submit} (server)`,
  "  quote-command: append quote (producer)",
  "  quote-projector: project quotes-v1 (consumer)",
  "  quote-projector: project quotes-v2 (consumer)",
];
const indented = (by: number) => handled.map((line) => " ".repeat(by) + line);

test("one SubmitQuote by ferry call is one connected trace from the client to both projections", async () => {
  const done = await stack.call(`${command}/SubmitQuote`, { text: "Ariadne's thread.", author: "A weaver" });
  expect(done.code).toBe("OK");
  const client = receiver.spans.findLast(({ service }) => service === "ferry-call");
  expect(client, "the client's own span").toBeDefined();
  const spans = await traceOf(client!.traceId, 7);
  expect(treeOf(spans)).toEqual([
    `ferry-call: ${submit} (client)`,
    `  gateway: ${submit} (server)`,
    `    quote-command sidecar: ${submit} (server)`,
    ...indented(6),
  ]);
});

test("a service's own call through its sidecar joins its caller's trace, with both sidecars in it", async () => {
  const service = ["--service", "relay", "--app", "127.0.0.1:0", "--grpc-service", "e2e.Relay"];
  const wiring = ["--upstream", "quote-command", "--mesh-config", stack.meshConfig, "--json"];
  const program = [`${root}/node_modules/.bin/node`, `${root}/e2e/testing/relay.ts`];
  const relay = startFerry(["run", ...service, ...wiring, "--", ...program], {
    home: stack.home.path,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint },
  });
  const client = new GrpcClient(stack.gateway);
  const traceId = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";
  const spanId = "cafe5eedcafe5eed";
  try {
    await relay.event("ready", 60_000);
    const request = create(SubmitQuoteRequestSchema, { commandId: "relayed", text: "Handed on.", author: "A relay" });
    const headers = { traceparent: `00-${traceId}-${spanId}-01` };
    await eventually("the gateway routes to the relay", 10_000, async () => {
      const unsampled = { traceparent: `00-${traceId}-${spanId}-00` };
      const { code } = await client.raw("/e2e.Relay/SubmitQuote", toBinary(SubmitQuoteRequestSchema, request), {
        headers: unsampled,
      });
      return code === "OK" ? true : undefined;
    });
    const fresh = toBinary(SubmitQuoteRequestSchema, { ...request, commandId: "relayed-and-traced" });
    const { code, message } = await client.raw("/e2e.Relay/SubmitQuote", fresh, { headers });
    expect(`${code} ${message}`).toMatch(/^OK/);
    const spans = await traceOf(traceId, 8);
    // The relay makes no span of its own, so both hops hang on what it was handed.
    expect(treeOf(spans, spanId)).toEqual([
      "gateway: e2e.Relay/SubmitQuote (server)",
      "  relay sidecar: e2e.Relay/SubmitQuote (server)",
      `    relay sidecar: ${submit} (client)`,
      `      quote-command sidecar: ${submit} (server)`,
      ...indented(8),
    ]);
  } finally {
    client.close();
    relay.signal("SIGTERM");
    await relay.exited;
  }
});

test("health checks and the tool's own questions leave no trace", async () => {
  const names = [...new Set(receiver.spans.map(({ name }) => name))];
  expect(names.filter((name) => /grpc\.health|grpc\.reflection|ferry\.admin/.test(name))).toEqual([]);
});
