import { expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import { ErrorCode } from "../http2/error-code.ts";
import { fieldValue } from "../http2/header-field.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const idempotent = { traits: { kind: "unary", idempotent: true } } as const;
const unsafe = { traits: { kind: "unary", idempotent: false } } as const;

function where(mesh: ScriptedMesh): string[] {
  return mesh.sent.map((sent) => sent.endpoint);
}

test("UNAVAILABLE of an idempotent method is retried elsewhere, whole and with a count of tries", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "trailers_only", status: 14 }], b: [ok] }, idempotent);
  expect(await mesh.call()).toMatchObject({ status: "0", message: "fine", attempts: "2" });
  expect(where(mesh)).toEqual(["a", "b"]);
  expect(mesh.sent.map((sent) => sent.body)).toEqual(["hello", "hello"]);
  expect(mesh.sent.map((sent) => fieldValue(sent.fields, "grpc-previous-rpc-attempts"))).toEqual([undefined, "1"]);
});

test("a status in real trailers, behind a header, is retried as well", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "status", status: 14 }], b: [ok] }, idempotent);
  expect(await mesh.call()).toMatchObject({ status: "0", attempts: "2" });
});

test("a status after a message is the caller's to see", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "status", status: 14, message: "half" }], b: [ok] }, idempotent);
  expect(await mesh.call()).toMatchObject({ status: "14", message: "half", attempts: undefined });
  expect(where(mesh)).toEqual(["a"]);
});

test("a lost connection is retried only for an idempotent method", async () => {
  const safe = new ScriptedMesh();
  safe.serve({ a: [{ kind: "lose_connection" }], b: [ok] }, idempotent);
  expect(await safe.call()).toMatchObject({ status: "0" });
  for (const options of [unsafe, {}]) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "lose_connection" }], b: [ok] }, options);
    expect(await mesh.call()).toMatchObject({ status: "14", failure: "connection_lost" });
    expect(where(mesh)).toEqual(["a"]);
  }
});

test("a call that never ran is sent again whatever its method", async () => {
  for (const kind of ["refuse_connection", "refuse_stream"] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind }], b: [ok] }, unsafe);
    expect(await mesh.call()).toMatchObject({ status: "0", message: "fine", attempts: "2" });
  }
});

test("a failure that another Ferry explained is judged by its kind", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "trailers_only", status: 14, failure: "connect_failed" }], b: [ok] }, unsafe);
  expect(await mesh.call()).toMatchObject({ status: "0" });
});

test("as many retries as the policy allows, then the last answer is the caller's", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve(
    { a: [{ kind: "trailers_only", status: 14 }], b: [{ kind: "trailers_only", status: 14 }], c: [ok] },
    { ...idempotent, policy: { retry: { retries: 1 } } },
  );
  expect(await mesh.call()).toMatchObject({ status: "14", attempts: "2" });
  expect(where(mesh)).toEqual(["a", "b"]);
});

test("a call that a hop before us retried is not retried here", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "trailers_only", status: 14 }], b: [ok] }, idempotent);
  expect(await mesh.call({ "grpc-previous-rpc-attempts": "1" })).toMatchObject({ status: "14" });
});

test("a lone endpoint is tried again after a moment, not at once", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "trailers_only", status: 14 }, ok] }, idempotent);
  const result = mesh.call();
  await mesh.clock.advance(0);
  expect(where(mesh)).toEqual(["a"]);
  await mesh.clock.advance(250);
  expect(await result).toMatchObject({ status: "0", attempts: "2" });
});

test("an instance that dies between message and trailers is replaced while nobody has seen either", async () => {
  const safe = new ScriptedMesh();
  safe.serve({ a: [{ kind: "break_after_message" }], b: [ok] }, idempotent);
  expect(await safe.call()).toMatchObject({ status: "0", message: "fine", attempts: "2" });
});

test("a reply that breaks off after a message and may not be replaced ends with a status that says why", async () => {
  for (const options of [unsafe, { traits: { kind: "server_streaming", idempotent: true } } as const, {}]) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "break_after_message" }], b: [ok] }, options);
    const message = expect.stringContaining("part");
    expect(await mesh.call()).toMatchObject({ status: "14", failure: "connection_lost", message });
  }
});

test("a reply that breaks off inside a message is reset: trailers there would not be gRPC", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "break_inside_message" }], b: [ok] }, unsafe);
  await expect(mesh.call()).rejects.toMatchObject({ code: ErrorCode.INTERNAL_ERROR });
});

test("a message whose trailers do not come goes out after 50 ms, and one that is long at once", async () => {
  for (const [bytes, waitMs] of [
    [100, 50],
    [70_000, 0],
  ] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "message_only", bytes }] }, idempotent);
    const { call, head } = mesh.start();
    let isOut = false;
    void head.then(() => {
      isOut = true;
    });
    await mesh.clock.advance(Math.max(0, waitMs - 1));
    expect(isOut).toBe(waitMs === 0);
    await mesh.clock.advance(1);
    expect(isOut).toBe(true);
    call.cancel(new ProxyFailure("cancelled", "", "test is over"));
  }
});
