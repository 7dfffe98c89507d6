// Hops that do not multiply retries: two meshes in a row, joined by an application that passes on traceparent and the
// status, and nothing else.

import { expect, test } from "vitest";
import { fieldValue, HeaderField } from "../http2/header-field.ts";
import { inboundStack } from "../inbound/stack.ts";
import { ReceivedCall } from "../received-call.ts";
import { TriedTraces } from "../resilience/tried-traces.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const unavailable: Answer = { kind: "status", status: 14 };
const traits = { kind: "unary", idempotent: true } as const;
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/** A sidecar's way in, before an application that answers as scripted; `traces`: shared with its way out. */
async function callIn(traces: TriedTraces, answer: Answer, header: Record<string, string> = {}) {
  const app = new ScriptedMesh();
  app.serve({ "127.0.0.1": [answer] }, { traits });
  const { clock } = app;
  const service = inboundStack(
    { app: { host: "127.0.0.1", port: 1 }, appName: "middle", maxCallsInFlight: 10 },
    { clock, random: () => 0, sender: app, traces, recorders: [], reportDefect: () => {} },
  );
  const all = { ":method": "POST", ":path": "/s/M", "content-type": "application/grpc", traceparent, ...header };
  const fields = Object.entries(all).map(([name, value]) => new HeaderField(name, value));
  const body = { attach() {}, grant() {}, cancel() {} };
  const sources = { nowMs: () => clock.nowMs(), randomHex: (n: number) => "0".repeat(n * 2), sampleNew: () => false };
  const reply = await service(new ReceivedCall({ fields, body, endsWithHead: false, peer: undefined }, sources));
  if (reply.endsWithHead) return fieldValue(reply.fields, "grpc-retry-pushback-ms");
  return new Promise<string | undefined>((resolve, reject) => {
    reply.body.attach({
      data() {},
      trailers: (trailers) => resolve(fieldValue(trailers, "grpc-retry-pushback-ms")),
      abort: reject,
    });
  });
}

test("a failure that this hop has retried in vain tells the hop before not to", async () => {
  for (const kind of ["status", "trailers_only"] as const) {
    const traces = new TriedTraces();
    const out = new ScriptedMesh(traces);
    out.serve({ a: [unavailable], b: [unavailable] }, { traits });
    expect(await out.call({ traceparent })).toMatchObject({ status: "14", attempts: "3" });
    expect(await callIn(traces, { kind, status: 14 })).toBe("-1");
    expect(await callIn(traces, { kind, status: 0 })).toBeUndefined();
    const other = { traceparent: traceparent.replace("0af7", "0bf7") };
    expect(await callIn(traces, { kind, status: 14 }, other)).toBeUndefined();
  }
});

test("so does one that a spent budget let pass without a hold", async () => {
  const traces = new TriedTraces();
  const out = new ScriptedMesh(traces);
  const budget = { percent: 0, floorPerSecond: 0, burst: 0 };
  out.serve({ a: [unavailable], b: [unavailable] }, { traits, policy: { budget } });
  expect(await out.call({ traceparent })).toMatchObject({ status: "14", attempts: undefined });
  expect(out.decisions).toEqual(["retry_budget_spent"]);
  expect(await callIn(traces, unavailable)).toBe("-1");
});

test("a hop that may not retry a method leaves that to the hop before", async () => {
  for (const options of [
    { traits: { kind: "unary", idempotent: false } } as const,
    { traits, policy: { retry: { retries: 0 } } },
  ]) {
    const traces = new TriedTraces();
    const out = new ScriptedMesh(traces);
    out.serve({ a: [unavailable], b: [unavailable] }, options);
    expect(await out.call({ traceparent })).toMatchObject({ status: "14" });
    expect(await callIn(traces, unavailable)).toBeUndefined();
  }
});

test("calls of a trace that came in as a retry are not retried on the way out, unless they never ran", async () => {
  const traces = new TriedTraces();
  await callIn(traces, unavailable, { "grpc-previous-rpc-attempts": "1" });
  const out = new ScriptedMesh(traces);
  out.serve({ a: [unavailable], b: [unavailable] }, { traits });
  expect(await out.call({ traceparent })).toMatchObject({ status: "14", attempts: undefined });
  expect(await out.call()).toMatchObject({ status: "14", attempts: "3" });
  out.serve({ a: [{ kind: "refuse_connection" }], b: [{ kind: "status", status: 0 }] }, { traits });
  expect(await out.call({ traceparent })).toMatchObject({ status: "0" });
});
