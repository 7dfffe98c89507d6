import { expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import { Status } from "../grpc/status.ts";
import { wholeBody } from "../http2/body.ts";
import { ErrorCode } from "../http2/error-code.ts";
import { fieldValue } from "../http2/header-field.ts";
import { defaultRetryPolicy } from "../routing/policy/retry-policy.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const unavailable: Answer = { kind: "trailers_only", status: 14 };
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

test("a call that a hop before us retried is not retried here, unless it never ran", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [unavailable], b: [ok] }, idempotent);
  expect(await mesh.call({ "grpc-previous-rpc-attempts": "1" })).toMatchObject({ status: "14" });
  for (const kind of ["refuse_connection", "refuse_stream"] as const) {
    const other = new ScriptedMesh();
    other.serve({ a: [{ kind }], b: [ok] }, idempotent);
    expect(await other.call({ "grpc-previous-rpc-attempts": "1" })).toMatchObject({ status: "0", attempts: "2" });
    const counts = other.sent.map((sent) => fieldValue(sent.fields, "grpc-previous-rpc-attempts"));
    expect(counts).toEqual(["1", "2"]);
  }
});

test("a lone endpoint is tried again after a moment, not at once", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [unavailable, ok] }, { ...idempotent, policy: { retry: defaultRetryPolicy } });
  const result = mesh.call();
  await mesh.clock.advance(0);
  expect(where(mesh)).toEqual(["a"]);
  await mesh.clock.advance(25);
  expect(await result).toMatchObject({ status: "0", attempts: "2" });
});

test("retries wait a random part of 25 ms that doubles, up to 250 ms", async () => {
  const mesh = new ScriptedMesh();
  const policy = { retry: { ...defaultRetryPolicy, retries: 10 }, budget: { burst: 10 } };
  mesh.serve({ a: [unavailable], b: [unavailable] }, { ...idempotent, policy });
  const result = mesh.call();
  await mesh.clock.advance(10_000);
  expect(await result).toMatchObject({ status: "14", attempts: "11" });
  const waits = mesh.sent.slice(1).map((sent, index) => sent.atMs - mesh.sent[index]!.atMs);
  const caps = [25, 50, 100, 200, 250, 250, 250, 250, 250, 250];
  for (const [index, waitMs] of waits.entries()) expect(waitMs).toBeLessThan(caps[index]!);
  expect(new Set(waits).size).toBe(10);
  expect(Math.max(...waits)).toBeGreaterThan(125);
});

test("the schedule of the talk tries at 0, 0, 2 and 6 seconds, and no more before a deadline of 10", async () => {
  const mesh = new ScriptedMesh();
  const policy = { retry: { schedule: "talk", retries: 9 }, budget: { burst: 9 } } as const;
  mesh.serve({ a: [unavailable], b: [unavailable] }, { ...idempotent, policy });
  const result = mesh.call({ "grpc-timeout": "10S" });
  await mesh.clock.advance(6_000);
  expect(await result).toMatchObject({ status: "14", attempts: "4" });
  expect(mesh.sent.map((sent) => sent.atMs)).toEqual([0, 0, 2_000, 6_000]);
  expect(mesh.decisions).toEqual(["retry", "retry", "retry", "retry_too_late"]);
  expect(mesh.clock.nowMs()).toBe(6_000);
});

test("a caller who goes away ends the wait for the next try", async () => {
  const mesh = new ScriptedMesh();
  const policy = { retry: { schedule: "talk", retries: 9 } } as const;
  mesh.serve({ a: [unavailable] }, { ...idempotent, policy });
  const { call, result } = mesh.start();
  await mesh.clock.advance(100);
  expect(mesh.sent).toHaveLength(2);
  call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
  expect(await result).toMatchObject({ status: "1", failure: "cancelled" });
  expect(mesh.clock.pendingTimers).toBe(0);
});

test("a try that breaks off is retried on another endpoint within 25 ms", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "lose_connection" }], b: [ok] }, { ...idempotent, policy: { retry: defaultRetryPolicy } });
  const result = mesh.call();
  await mesh.clock.advance(25);
  expect(await result).toMatchObject({ status: "0", attempts: "2" });
});

test("only the statuses of the policy are retried", async () => {
  for (const [status, attempts] of [
    [8, "2"],
    [10, "2"],
    [14, undefined],
  ] as const) {
    const mesh = new ScriptedMesh();
    const policy = { retry: { statuses: [Status.RESOURCE_EXHAUSTED, Status.ABORTED] } };
    mesh.serve({ a: [{ kind: "status", status }], b: [ok] }, { ...idempotent, policy });
    expect(await mesh.call()).toMatchObject({ status: attempts === undefined ? String(status) : "0", attempts });
  }
});

test("a plain HTTP answer is retried by the route's list of codes, and so is a page in gRPC's stead", async () => {
  const policy = { retry: { statuses: [], httpStatuses: [500] } };
  for (const type of ["text/plain", "application/grpc"]) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "http", status: 500 }], b: [{ kind: "http", status: 404 }] }, { ...idempotent, policy });
    expect(await mesh.call({ "content-type": type })).toMatchObject({ message: "page", attempts: "2" });
    expect(where(mesh)).toEqual(["a", "b"]);
  }
});

test("calls that were never sent go round all endpoints at once, then three times more after a moment", async () => {
  const mesh = new ScriptedMesh();
  const dead: Answer = { kind: "refuse_connection" };
  const policy = { retry: { ...defaultRetryPolicy, retries: 0 }, budget: { burst: 0, floorPerSecond: 0 } };
  mesh.serve({ a: [dead], b: [dead], c: [dead] }, { ...unsafe, policy });
  const result = mesh.call();
  await mesh.clock.advance(0);
  expect(where(mesh).slice(0, 3).sort()).toEqual(["a", "b", "c"]);
  expect(mesh.sent[2]!.atMs).toBe(0);
  await mesh.clock.advance(1_000);
  expect(await result).toMatchObject({ status: "14", failure: "connect_failed" });
  expect(mesh.sent).toHaveLength(6);
  expect(mesh.sent[3]!.atMs).toBeGreaterThan(0);
});

test("a call refused twice is told, unless it is idempotent", async () => {
  const refuse: Answer = { kind: "refuse_stream" };
  for (const [options, status] of [
    [unsafe, "14"],
    [idempotent, "0"],
  ] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [refuse], b: [refuse], c: [ok] }, options);
    expect(await mesh.call()).toMatchObject({ status });
  }
});

test("a request that is longer than the replay buffer is not sent again", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [unavailable], b: [ok] }, idempotent);
  const result = await mesh.start({}, wholeBody(Buffer.alloc(1_025, 65))).result;
  expect(result).toMatchObject({ status: "14", attempts: undefined });
});

test("a retry stays on its side of a split", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a1: [unavailable], a2: [unavailable], b1: [ok], b2: [ok] }, idempotent);
  const [snapshot] = mesh.upstreams.snapshots();
  const sideOf = (name: string) =>
    Object.values(snapshot!.endpoints)
      .flat()
      .filter(({ id }) => id.startsWith(name));
  const resolver = (id: string) => ({ Type: "resolver" as const, Name: id, Resolver: { Target: id } });
  const splits = ["a", "b"].map((id) => ({ Weight: 50, NextNode: `resolver:${id}` }));
  mesh.upstreams.apply({
    ...snapshot!,
    chain: {
      ...snapshot!.chain,
      StartNode: "splitter:s",
      Nodes: {
        "splitter:s": { Type: "splitter", Name: "s", Splits: splits },
        "resolver:a": resolver("a"),
        "resolver:b": resolver("b"),
      },
      Targets: { a: { ID: "a", Service: "s" }, b: { ID: "b", Service: "s" } },
    },
    endpoints: { a: sideOf("a"), b: sideOf("b") },
  });
  const statuses = [];
  for (let n = 0; n < 10; n++) statuses.push((await mesh.call()).status);
  expect(new Set(statuses)).toEqual(new Set(["14", "0"]));
  const sides = new Map<string | undefined, Set<string>>();
  for (const { endpoint, fields } of mesh.sent) {
    const call = fieldValue(fields, "x-request-id");
    sides.set(call, (sides.get(call) ?? new Set()).add(endpoint.slice(0, 1)));
  }
  expect(sides.size).toBe(10);
  for (const side of sides.values()) expect(side.size).toBe(1);
});

test("an upstream that names a time gets exactly that, and backoff begins anew", async () => {
  const mesh = new ScriptedMesh();
  const policy = { retry: { ...defaultRetryPolicy, retries: 3 } };
  mesh.serve(
    { a: [{ kind: "status", status: 14, pushback: "1500" }, unavailable, { kind: "trailers_only", status: 14 }, ok] },
    { ...idempotent, policy },
  );
  const result = mesh.call();
  await mesh.clock.advance(1_499);
  expect(mesh.sent).toHaveLength(1);
  await mesh.clock.advance(200);
  expect(await result).toMatchObject({ status: "0", attempts: "4" });
  const times = mesh.sent.map((sent) => sent.atMs);
  expect(times[1]).toBe(1_500);
  expect(times[2]! - times[1]!).toBeLessThan(25);
});

test("an upstream that says not to try again is heeded, and so is one that says nothing intelligible", async () => {
  for (const pushback of ["-1", "soon", "99999999999", "1.5"]) {
    for (const kind of ["status", "trailers_only"] as const) {
      const mesh = new ScriptedMesh();
      mesh.serve({ a: [{ kind, status: 14, pushback }], b: [ok] }, idempotent);
      expect(await mesh.call()).toMatchObject({ status: "14" });
      expect(where(mesh)).toEqual(["a"]);
      expect(mesh.decisions).toEqual(["retry_pushed_back"]);
    }
  }
});

test("a time that outlasts the deadline is not waited for", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "status", status: 14, pushback: "5000" }], b: [ok] }, idempotent);
  expect(await mesh.call({ "grpc-timeout": "2S" })).toMatchObject({ status: "14" });
  expect(mesh.decisions).toEqual(["retry_too_late"]);
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
