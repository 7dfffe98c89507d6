import { expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import { fieldValue } from "../http2/header-field.ts";
import { ScriptedMesh } from "./testing/scripted-mesh.ts";

test("a silent endpoint is given up at the deadline, and told", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "never" }] });
  const result = mesh.call({ "grpc-timeout": "50m" });
  await mesh.clock.advance(49);
  expect(mesh.sent[0]?.cancelled).toBe(false);
  await mesh.clock.advance(1);
  expect(await result).toMatchObject({ status: "4", failure: "deadline_exceeded" });
  expect(mesh.sent[0]?.cancelled).toBe(true);
});

test("the next hop gets the time that is left, not the time that was given", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve(
    {
      a: [
        { kind: "trailers_only", status: 14 },
        { kind: "status", status: 0 },
      ],
    },
    {
      traits: { kind: "unary", idempotent: true },
    },
  );
  const result = mesh.call({ "grpc-timeout": "1S" });
  await mesh.clock.advance(300);
  await result;
  const timeouts = mesh.sent.map((sent) => fieldValue(sent.fields, "grpc-timeout"));
  expect(timeouts).toHaveLength(2);
  expect(Number.parseInt(timeouts[1]!, 10)).toBeLessThan(Number.parseInt(timeouts[0]!, 10));
});

test("a route's own limit holds where the caller allows more or names nothing", async () => {
  for (const header of [{}, { "grpc-timeout": "10S" }]) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "never" }] }, { policy: { deadline: { requestTimeoutMs: 200 } } });
    const result = mesh.call(header);
    await mesh.clock.advance(199);
    expect(mesh.sent[0]?.cancelled).toBe(false);
    expect(fieldValue(mesh.sent[0]!.fields, "grpc-timeout")).toBe("200000u");
    await mesh.clock.advance(1);
    expect(await result).toMatchObject({ status: "4", failure: "deadline_exceeded" });
    expect(mesh.sent[0]?.cancelled).toBe(true);
  }
});

test("no deadline arms no timer", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "never" }] });
  const { call, result } = mesh.start();
  await mesh.clock.advance(60_000);
  expect(mesh.clock.pendingTimers).toBe(0);
  call.cancel(new ProxyFailure("cancelled", "", "test is over"));
  expect(await result).toMatchObject({ status: "1", failure: "cancelled" });
});

test("a finished call leaves no timer behind", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "status", status: 0, message: "x" }] });
  await mesh.call({ "grpc-timeout": "10S" });
  expect(mesh.clock.pendingTimers).toBe(0);
});

test("a malformed grpc-timeout is refused and says what is expected", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "status", status: 0 }] });
  expect(await mesh.call({ "grpc-timeout": "123456789S" })).toMatchObject({ status: "13", failure: "bad_request" });
  expect(mesh.sent).toHaveLength(0);
});

test("a caller that goes away cancels what is under way", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "never" }] });
  const { call, result } = mesh.start();
  await mesh.clock.advance(0);
  call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
  await result;
  expect(mesh.sent[0]?.cancelled).toBe(true);
});
