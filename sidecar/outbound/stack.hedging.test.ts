import { describe, expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import { wholeBody } from "../http2/body.ts";
import { fieldValue } from "../http2/header-field.ts";
import { TriedTraces } from "../resilience/tried-traces.ts";
import type { LoadBalancer } from "../routing/discovery-chain.ts";
import { type Answer, type PolicyChanges, ScriptedMesh, type StartedCall } from "./testing/scripted-mesh.ts";

const idempotent = { kind: "unary", idempotent: true } as const;
const ok: Answer = { kind: "status", status: 0, message: "x" };
const never: Answer = { kind: "never" };

function later(afterMs: number, answer: Answer = ok): Answer {
  return { kind: "later", afterMs, answer };
}

/**
 * Twenty calls of 10 ms at each endpoint, so that the 95th percentile is about 10 ms; after that the next call goes to
 * `a`, and they answer as `scripts` say.
 */
async function warmMesh(
  scripts: Record<string, Answer[]>,
  { policy = {}, traits = idempotent, loadBalancer = { Policy: "round_robin" }, traces }: MeshOptions = {},
): Promise<ScriptedMesh> {
  const mesh = new ScriptedMesh(traces);
  const ids = Object.keys(scripts);
  mesh.serve(Object.fromEntries(ids.map((id) => [id, [later(10)]])), {
    traits,
    loadBalancer,
    policy: { hedge: { percentile: 95 }, ...policy },
  });
  const results = Array.from({ length: 20 * ids.length }, () => mesh.call());
  await mesh.clock.advance(3_100);
  while (mesh.sent.at(-1)?.endpoint !== ids.at(-1)) {
    results.push(mesh.call());
    await mesh.clock.advance(100);
  }
  await Promise.all(results);
  expect(mesh.sent.every(({ cancelled }) => !cancelled)).toBe(true);
  mesh.sent.length = 0;
  for (const id of ids) mesh.script(id, scripts[id]!);
  return mesh;
}

interface MeshOptions {
  readonly policy?: PolicyChanges;
  readonly traits?: ServeTraits;
  readonly loadBalancer?: LoadBalancer;
  readonly traces?: TriedTraces;
}

type ServeTraits = { readonly kind: "unary" | "server_streaming"; readonly idempotent: boolean };

function decisionsOf({ call }: StartedCall): readonly string[] {
  return (call.notes.decisions ?? []).map(({ kind }) => kind);
}

function endpoints(mesh: ScriptedMesh): readonly string[] {
  return mesh.sent.map(({ endpoint, cancelled }) => (cancelled ? `${endpoint} cancelled` : endpoint));
}

describe("a call that takes longer than the percentile", () => {
  test("goes to a second endpoint at that moment, and the first answer is the caller's", async () => {
    const mesh = await warmMesh({ a: [never], b: [later(4)] });
    const started = mesh.start();
    await mesh.clock.advance(9);
    expect(endpoints(mesh)).toEqual(["a"]);
    await mesh.clock.advance(2);
    expect(endpoints(mesh)).toEqual(["a", "b"]);
    await mesh.clock.advance(4);
    expect(await started.result).toMatchObject({ status: "0", message: "x", attempts: "2" });
    expect(endpoints(mesh)).toEqual(["a cancelled", "b"]);
    expect(decisionsOf(started)).toEqual(["hedge", "hedge_won"]);
    expect(started.call.notes.endpoint?.id).toBe("b");
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  test("brings its whole request to both, and says so to the second", async () => {
    const mesh = await warmMesh({ a: [never], b: [ok] });
    const result = mesh.call();
    await mesh.clock.advance(15);
    await result;
    expect(mesh.sent.map(({ body }) => body)).toEqual(["hello", "hello"]);
    expect(mesh.sent.map(({ fields }) => fieldValue(fields, "grpc-previous-rpc-attempts"))).toEqual([undefined, "1"]);
  });

  test("is still answered by its first try when that is sooner", async () => {
    const mesh = await warmMesh({ a: [later(14)], b: [later(40)] });
    const started = mesh.start();
    await mesh.clock.advance(20);
    expect(await started.result).toMatchObject({ status: "0", attempts: "2" });
    expect(endpoints(mesh)).toEqual(["a", "b cancelled"]);
    expect(decisionsOf(started)).toEqual(["hedge"]);
    expect(started.call.notes.endpoint?.id).toBe("a");
  });

  test("that has a header but no message has no answer", async () => {
    const mesh = await warmMesh({ a: [{ kind: "header_only" }], b: [ok] });
    const result = mesh.call();
    await mesh.clock.advance(15);
    expect(await result).toMatchObject({ status: "0", attempts: "2" });
    expect(endpoints(mesh)).toEqual(["a cancelled", "b"]);
  });

  test("waits for ferry_hedge_min_delay at least", async () => {
    const mesh = await warmMesh({ a: [never], b: [ok] }, { policy: { hedge: { percentile: 95, minDelayMs: 30 } } });
    const result = mesh.call();
    await mesh.clock.advance(29);
    expect(endpoints(mesh)).toEqual(["a"]);
    await mesh.clock.advance(1);
    await result;
    expect(endpoints(mesh)).toEqual(["a cancelled", "b"]);
  });
});

describe("the try that lost", () => {
  test("is no failure of its endpoint, however often it loses", async () => {
    const mesh = await warmMesh({ a: [never], b: [ok] }, { policy: { ejection: { consecutiveFailures: 2 } } });
    for (let i = 0; i < 8; i++) {
      const result = mesh.call();
      await mesh.clock.advance(1_000);
      await result;
    }
    expect(mesh.sent.filter(({ endpoint, cancelled }) => endpoint === "a" && cancelled).length).toBeGreaterThan(2);
    expect(mesh.changes).toEqual([]);
    expect(mesh.outcomes.every(({ status }) => status === 0)).toBe(true);
  });

  test("does not change what its endpoint is known to cost, and is under way no longer", async () => {
    const mesh = await warmMesh({ a: [never], b: [ok] }, { policy: { hedge: { percentile: 95, minDelayMs: 500 } } });
    const a = mesh.upstreams.snapshots()[0]?.endpoints.s?.[0];
    const before = mesh.states.of(a!).load.cost(0, "/s/M", 5_000);
    const result = mesh.call();
    await mesh.clock.advance(1_000);
    await result;
    expect(endpoints(mesh)).toEqual(["a cancelled", "b"]);
    expect(mesh.states.of(a!).load.cost(0, "/s/M", 5_000)).toBe(before);
    expect(mesh.states.of(a!).active).toBe(0);
  });
});

describe("when a try fails", () => {
  test("before the second is sent, it is retried as ever", async () => {
    const mesh = await warmMesh({ a: [later(5, { kind: "status", status: 14 })], b: [ok] });
    const started = mesh.start();
    await mesh.clock.advance(400);
    expect(await started.result).toMatchObject({ status: "0", attempts: "2" });
    expect(decisionsOf(started)).toEqual(["retry"]);
    expect(started.call.notes.hedges).toBe(0);
  });

  test("with pushback that forbids more, no second one is sent", async () => {
    const refusal: Answer = { kind: "trailers_only", status: 14, pushback: "-1" };
    const mesh = await warmMesh({ a: [later(5, refusal)], b: [ok] });
    const started = mesh.start();
    await mesh.clock.advance(400);
    expect(await started.result).toMatchObject({ status: "14", attempts: undefined });
    expect(decisionsOf(started)).toEqual(["retry_pushed_back"]);
    expect(endpoints(mesh)).toEqual(["a"]);
  });

  test("with pushback from both, nothing further is sent", async () => {
    const refusal: Answer = { kind: "trailers_only", status: 14, pushback: "-1" };
    const mesh = await warmMesh({ a: [later(14, refusal)], b: [later(9, refusal)] });
    const started = mesh.start();
    await mesh.clock.advance(400);
    expect(await started.result).toMatchObject({ status: "14", attempts: "2" });
    expect(decisionsOf(started)).toEqual(["hedge", "retry_pushed_back"]);
  });

  test("with a page instead of an answer, what its :status means to gRPC counts", async () => {
    for (const [httpStatus, sent, winner] of [
      [418, ["a", "b cancelled"], "a"],
      [503, ["a", "b"], "b"],
    ] as const) {
      const mesh = await warmMesh({ a: [later(14, { kind: "http", status: httpStatus })], b: [later(40)] });
      const started = mesh.start();
      await mesh.clock.advance(100);
      const { fields } = await started.head;
      expect(fieldValue(fields, ":status")).toBe(winner === "a" ? "418" : "200");
      expect(endpoints(mesh)).toEqual(sent);
      expect(started.call.notes.endpoint?.id).toBe(winner);
    }
  });

  test("while the other one runs, the other one is waited for", async () => {
    const mesh = await warmMesh({ a: [later(14, { kind: "status", status: 14 })], b: [later(20)] });
    const started = mesh.start();
    await mesh.clock.advance(40);
    expect(await started.result).toMatchObject({ status: "0", attempts: "2" });
    expect(decisionsOf(started)).toEqual(["hedge", "hedge_won"]);
    expect(endpoints(mesh)).toEqual(["a", "b"]);
  });

  test("and the second one fails, the first one is waited for", async () => {
    const mesh = await warmMesh({ a: [later(30)], b: [{ kind: "lose_connection" }] });
    const started = mesh.start();
    await mesh.clock.advance(40);
    expect(await started.result).toMatchObject({ status: "0", attempts: "2" });
    expect(decisionsOf(started)).toEqual(["hedge"]);
    expect(started.call.notes.endpoint?.id).toBe("a");
  });

  test("and both do, the call is retried like one that failed once", async () => {
    const failed: Answer = { kind: "status", status: 14 };
    const mesh = await warmMesh({ a: [later(14, failed), ok], b: [later(5, failed), ok] });
    const started = mesh.start();
    await mesh.clock.advance(400);
    expect(await started.result).toMatchObject({ status: "0", attempts: "3" });
    expect(decisionsOf(started)).toEqual(["hedge", "retry"]);
    const attempts = mesh.sent.map(({ fields }) => fieldValue(fields, "grpc-previous-rpc-attempts"));
    expect(attempts).toEqual([undefined, "1", "2"]);
  });

  test("and both do, the retry goes to neither of their endpoints", async () => {
    const failed = later(14, { kind: "trailers_only", status: 14 });
    const policy: PolicyChanges = {
      retry: { retries: 1 },
      budget: { percent: 100, burst: 10 },
      ejection: { consecutiveFailures: 0, successRatePercent: 0 },
    };
    const mesh = await warmMesh(
      { a: [failed], b: [failed], c: [failed] },
      { policy, loadBalancer: { Policy: "random" } },
    );
    for (let i = 0; i < 15; i++) {
      mesh.sent.length = 0;
      const result = mesh.call();
      await mesh.clock.advance(1_000);
      expect(await result).toMatchObject({ status: "14", attempts: "3" });
      expect(new Set(mesh.sent.map(({ endpoint }) => endpoint)).size).toBe(3);
    }
  });

  test("and both do with no retry left, the caller gets the last failure", async () => {
    const policy = { retry: { retries: 0 } };
    const mesh = await warmMesh(
      { a: [later(14, { kind: "status", status: 14 })], b: [later(9, { kind: "trailers_only", status: 14 })] },
      { policy },
    );
    const started = mesh.start();
    await mesh.clock.advance(400);
    expect(await started.result).toMatchObject({ status: "14", attempts: "2" });
    expect(started.call.notes.endpoint?.id).toBe("b");
  });

  test("for good, it is the answer: another try could not better it", async () => {
    const mesh = await warmMesh({ a: [later(14, { kind: "trailers_only", status: 5 })], b: [later(20)] });
    const started = mesh.start();
    await mesh.clock.advance(40);
    expect(await started.result).toMatchObject({ status: "5" });
    expect(endpoints(mesh)).toEqual(["a", "b cancelled"]);
  });
});

describe("no second try goes out", () => {
  test("by default, and then nothing is waited for or noted", async () => {
    const mesh = await warmMesh({ a: [later(50)], b: [ok] }, { policy: { hedge: { percentile: 0 } } });
    const started = mesh.start();
    await mesh.clock.advance(5);
    expect(mesh.clock.pendingTimers).toBe(1); // The endpoint's own.
    await mesh.clock.advance(50);
    expect(await started.result).toMatchObject({ status: "0", attempts: undefined });
    expect(started.call.notes.decisions).toBeUndefined();
  });

  test("of a method that is not idempotent, of a stream, or of a call that hops before try again", async () => {
    for (const [traits, header] of [
      [{ kind: "unary", idempotent: false }, {}],
      [{ kind: "server_streaming", idempotent: true }, {}],
      [idempotent, { "grpc-previous-rpc-attempts": "1" }],
    ] as const) {
      const mesh = await warmMesh({ a: [later(50)], b: [ok] }, { traits });
      const started = mesh.start(header);
      await mesh.clock.advance(60);
      expect(await started.result).toMatchObject({ status: "0", attempts: undefined });
      expect(endpoints(mesh)).toEqual(["a"]);
      expect(started.call.notes.decisions).toBeUndefined();
    }
  });

  test("of a call for one that came in as a retry", async () => {
    const traces = new TriedTraces();
    const mesh = await warmMesh({ a: [later(50)], b: [ok] }, { traces });
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    traces.noteRetried(traceId, mesh.clock.nowMs());
    const started = mesh.start({ traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
    await mesh.clock.advance(60);
    expect(await started.result).toMatchObject({ status: "0", attempts: undefined });
    expect(started.call.notes.decisions).toBeUndefined();
  });

  test("before twenty calls were seen", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [later(50)], b: [ok] }, { traits: idempotent, policy: { hedge: { percentile: 95 } } });
    const result = mesh.call();
    await mesh.clock.advance(60);
    expect(await result).toMatchObject({ status: "0", attempts: undefined });
  });

  test("when the retry budget is spent", async () => {
    const budget = { percent: 0, floorPerSecond: 0, burst: 1 };
    const mesh = await warmMesh({ a: [later(50)], b: [later(50)] }, { policy: { budget } });
    const first = mesh.start();
    await mesh.clock.advance(100);
    const second = mesh.start();
    await mesh.clock.advance(100);
    await Promise.all([first.result, second.result]);
    expect(decisionsOf(first)).toEqual(["hedge"]);
    expect(decisionsOf(second)).toEqual(["hedge_withheld"]);
    expect(second.call.notes.decisions?.[0]?.detail).toBe("the retry budget is spent");
    expect(mesh.sent).toHaveLength(3);
  });

  test("when there is no other endpoint", async () => {
    const mesh = await warmMesh({ a: [later(50)] });
    const started = mesh.start();
    await mesh.clock.advance(60);
    expect(await started.result).toMatchObject({ status: "0", attempts: undefined });
    expect(started.call.notes.decisions).toMatchObject([
      { kind: "hedge_withheld", detail: "there is no other endpoint" },
    ]);
  });

  test("when the rest of the time is shorter than the method's median", async () => {
    const mesh = await warmMesh({ a: [never], b: [ok] });
    const started = mesh.start({ "grpc-timeout": "15m" });
    await mesh.clock.advance(20);
    expect(await started.result).toMatchObject({ failure: "deadline_exceeded" });
    expect(decisionsOf(started)).toEqual(["hedge_withheld"]);
    expect(endpoints(mesh)).toEqual(["a cancelled"]);
  });

  test("of a request that is longer than what is kept", async () => {
    const mesh = await warmMesh({ a: [later(50)], b: [ok] });
    const started = mesh.start({}, wholeBody(Buffer.alloc(2_000, "x")));
    await mesh.clock.advance(60);
    expect(await started.result).toMatchObject({ status: "0", attempts: undefined });
    expect(started.call.notes.decisions).toMatchObject([
      { kind: "hedge_withheld", detail: "the request is not here as a whole" },
    ]);
    expect(mesh.sent[0]?.body).toHaveLength(2_000);
  });
});

describe("both tries are cancelled", () => {
  test("when the deadline passes", async () => {
    const mesh = await warmMesh({ a: [never], b: [never] });
    const started = mesh.start({ "grpc-timeout": "100m" });
    await mesh.clock.advance(99);
    expect(endpoints(mesh)).toEqual(["a", "b"]);
    await mesh.clock.advance(1);
    expect(await started.result).toMatchObject({ failure: "deadline_exceeded" });
    expect(endpoints(mesh)).toEqual(["a cancelled", "b cancelled"]);
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  test("when the caller goes away, before the second is sent as well", async () => {
    for (const afterMs of [5, 50]) {
      const mesh = await warmMesh({ a: [never], b: [never] });
      const started = mesh.start();
      await mesh.clock.advance(afterMs);
      started.call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
      expect(await started.result).toMatchObject({ failure: "cancelled" });
      await mesh.clock.advance(100);
      expect(endpoints(mesh)).toEqual(afterMs === 5 ? ["a cancelled"] : ["a cancelled", "b cancelled"]);
      expect(mesh.clock.pendingTimers).toBe(0);
    }
  });

  test("when the time of one try is over", async () => {
    const policy = { retry: { tryTimeoutMs: 40, retries: 1 } };
    const mesh = await warmMesh({ a: [never, ok], b: [never, ok] }, { policy });
    const started = mesh.start();
    await mesh.clock.advance(40);
    expect(endpoints(mesh).slice(0, 2)).toEqual(["a cancelled", "b cancelled"]);
    await mesh.clock.advance(400);
    expect(await started.result).toMatchObject({ status: "0", attempts: "3" });
  });
});
