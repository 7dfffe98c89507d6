import { describe, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { ProxyFailure } from "../failure.ts";
import { fieldValue } from "../http2/header-field.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

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
        { kind: "later", afterMs: 100, answer: { kind: "trailers_only", status: 14 } },
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

test("what is under way is cancelled in the turn in which the deadline passes, before the caller is told", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "never" }] });
  const order: string[] = [];
  const { call, result } = mesh.start({ "grpc-timeout": "50m" });
  await mesh.clock.advance(0);
  call.onCancel(() => order.push(`cancelled at ${mesh.clock.nowMs()} ms, upstream ${mesh.sent[0]?.cancelled}`));
  await mesh.clock.advance(49);
  const told = result.then(() => order.push("caller told"));
  await mesh.clock.advance(1);
  await told;
  expect(order).toEqual(["cancelled at 50 ms, upstream true", "caller told"]);
});

test("a cap that passed while the route was waited for sends nothing", async () => {
  const mesh = new ScriptedMesh();
  const result = mesh.call();
  await mesh.clock.advance(300);
  mesh.serve({ a: [{ kind: "never" }] }, { policy: { deadline: { requestTimeoutMs: 200 } } });
  await mesh.clock.advance(0);
  expect(await result).toMatchObject({ status: "4", failure: "deadline_exceeded" });
  expect(mesh.sent).toHaveLength(0);
  expect(mesh.clock.pendingTimers).toBeLessThanOrEqual(1);
});

test("an endpoint that cancels within 5 ms of the deadline has timed out, an earlier cancel is one", async () => {
  for (const [afterMs, failure, status] of [
    [46, "deadline_exceeded", "4"],
    [40, "cancelled_by_upstream", "1"],
  ] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "later", afterMs, answer: { kind: "cancel_stream" } }] });
    const result = mesh.call({ "grpc-timeout": "50m" });
    await mesh.clock.advance(50);
    expect(await result).toMatchObject({ status, failure });
  }
});

test("endpoints are ejected for calls that they cancel at the deadline", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve(
    { a: [{ kind: "later", afterMs: 47, answer: { kind: "cancel_stream" } }], b: [{ kind: "status", status: 0 }] },
    { policy: { ejection: { consecutiveFailures: 3 } } },
  );
  for (let i = 0; i < 60; i++) {
    const result = mesh.call({ "grpc-timeout": "50m" });
    await mesh.clock.advance(50);
    await result;
  }
  expect(mesh.changes[0]).toBe("a ejected");
});

const unary = { kind: "unary", idempotent: false } as const;
const in100Ms: Answer = { kind: "later", afterMs: 100, answer: { kind: "status", status: 0, message: "x" } };

/** Calls of 100 ms until the median is known and asked for anew. */
async function warmUp(mesh: ScriptedMesh, calls = 20): Promise<void> {
  const results = Array.from({ length: calls }, () => mesh.call());
  await mesh.clock.advance(3_100);
  await Promise.all(results);
}

describe("early refusal", () => {
  test("a call with less time left than the method's median is only counted by default", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [in100Ms] }, { traits: unary });
    await warmUp(mesh);
    const { call, result } = mesh.start({ "grpc-timeout": "60m" });
    await mesh.clock.advance(60);
    expect(await result).toMatchObject({ failure: "deadline_exceeded" });
    expect(call.notes.decisions).toMatchObject([{ kind: "would_refuse_early" }]);
    expect(call.notes.decisions?.[0]?.detail).toMatch(
      /^60\.0 ms are left, half of the method's calls take over 10\d\.\d ms/,
    );
  });

  test("switched on, it is refused before anything is sent, as the caller's fault", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [in100Ms] }, { traits: unary, policy: { deadline: { earlyRefusal: "on" } } });
    await warmUp(mesh);
    const sentBefore = mesh.sent.length;
    const result = mesh.call({ "grpc-timeout": "60m" });
    await mesh.clock.advance(0);
    expect(await result).toMatchObject({
      status: "4",
      failure: "deadline_too_short",
      details: expect.stringMatching(/^s: not sent: 60\.0 ms are left/),
    });
    expect(mesh.sent).toHaveLength(sentBefore);
  });

  test("a call that fits, one without a deadline and one of an unknown method pass", async () => {
    for (const traits of [unary, undefined]) {
      const mesh = new ScriptedMesh();
      mesh.serve({ a: [in100Ms] }, { ...(traits && { traits }), policy: { deadline: { earlyRefusal: "on" } } });
      await warmUp(mesh);
      for (const header of [{ "grpc-timeout": traits === undefined ? "150m" : "110m" }, {}]) {
        const result = mesh.call(header);
        await mesh.clock.advance(100);
        expect(await result).toMatchObject({ status: "0" });
      }
    }
  });

  test("a stream is not refused, however little time is left", async () => {
    for (const kind of ["server_streaming", "client_streaming", "bidi_streaming"] as const) {
      const mesh = new ScriptedMesh();
      const traits = { kind, idempotent: false };
      mesh.serve({ a: [in100Ms] }, { traits, policy: { deadline: { earlyRefusal: "on" } } });
      await warmUp(mesh, 30);
      const { call, result } = mesh.start({ "grpc-timeout": "60m" });
      await mesh.clock.advance(60);
      expect(await result).toMatchObject({ failure: "deadline_exceeded" });
      expect(call.notes.decisions).toBeUndefined();
    }
  });

  test("off looks at nothing", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [in100Ms] }, { traits: unary, policy: { deadline: { earlyRefusal: "off" } } });
    await warmUp(mesh);
    const { call, result } = mesh.start({ "grpc-timeout": "60m" });
    await mesh.clock.advance(60);
    await result;
    expect(call.notes.decisions).toBeUndefined();
  });

  test("at most one call in five of any stretch is refused, rounded up", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [in100Ms] }, { traits: unary, policy: { deadline: { earlyRefusal: "on" } } });
    await warmUp(mesh);
    const random = seededRandom(5);
    const isRefused: boolean[] = [];
    const withheld: boolean[] = [];
    for (let i = 0; i < 400; i++) {
      // All of them too short for a while, then mixed ones.
      const { call, result } = mesh.start(i < 200 || random() < 0.5 ? { "grpc-timeout": "60m" } : {});
      await mesh.clock.advance(100);
      withheld.push(call.notes.decisions?.[0]?.kind === "early_refusal_withheld");
      isRefused.push((await result).failure === "deadline_too_short");
    }
    for (let from = 0; from < isRefused.length; from++) {
      for (const length of [1, 5, 7, 100]) {
        const refused = isRefused.slice(from, from + length).filter(Boolean).length;
        expect(refused).toBeLessThanOrEqual(Math.ceil(length / 5));
      }
    }
    expect(isRefused.slice(0, 100).filter(Boolean)).toHaveLength(20);
    expect(withheld.slice(0, 100).filter(Boolean)).toHaveLength(80);
  });

  test("a slow spell ends: what passes shows that the method is fast again, what is refused is not seen", async () => {
    const mesh = new ScriptedMesh();
    let isSlow = true;
    mesh.serve(
      { a: [{ kind: "later", afterMs: 5, answer: { kind: "status", status: 0 } }] },
      { traits: unary, policy: { deadline: { earlyRefusal: "on" } } },
    );
    mesh.delayMs = () => (isSlow ? 100 : 0);
    await warmUp(mesh);
    let refused = 0;
    isSlow = false;
    const lastRefusalMs = { at: 0 };
    for (let i = 0; i < 400; i++) {
      const result = mesh.call({ "grpc-timeout": "60m" });
      await mesh.clock.advance(100);
      if ((await result).failure !== "deadline_too_short") continue;
      refused++;
      lastRefusalMs.at = mesh.clock.nowMs();
    }
    expect(refused).toBeGreaterThan(0);
    // The median is that of the fast calls as soon as these are more than the twenty slow ones.
    expect(lastRefusalMs.at).toBeLessThan(3_100 + 10_000);
  });
});

test("a retry that would probably not end in time is not made", async () => {
  for (const [afterMs, decision] of [
    [160, "retry_too_late"],
    [40, "retry"],
  ] as const) {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [in100Ms] }, { traits: { kind: "unary", idempotent: true } });
    await warmUp(mesh);
    mesh.sent.length = 0;
    mesh.script("a", [{ kind: "later", afterMs, answer: { kind: "trailers_only", status: 14 } }, in100Ms]);
    const { call, result } = mesh.start({ "grpc-timeout": "250m" });
    await mesh.clock.advance(250);
    expect(await result).toMatchObject({ status: decision === "retry" ? "0" : "14" });
    expect(mesh.sent).toHaveLength(decision === "retry" ? 2 : 1);
    expect(call.notes.decisions).toMatchObject([{ kind: decision }]);
  }
});
