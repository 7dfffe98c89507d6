import { describe, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { atDeadline } from "../as-failure.ts";
import { ProxyFailure } from "../failure.ts";
import { defaultEjectionPolicy } from "../routing/policy/ejection-policy.ts";
import type { MethodTraits } from "../routing/snapshot.ts";
import { type Answer, ScriptedMesh, type ServeOptions } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const broken: Answer = { kind: "trailers_only", status: 13 };
const shed: Answer = { kind: "trailers_only", status: 8 };
const unreachable: Answer = { kind: "refuse_connection" };
const never: Answer = { kind: "never" };
const unary: MethodTraits = { kind: "unary", idempotent: false };
const watch: MethodTraits = { kind: "server_streaming", idempotent: false };

/** 3 failures eject, nothing is tried again. */
function options(more: ServeOptions = {}, ejection = {}): ServeOptions {
  return { ...more, policy: { retry: { retries: 0 }, ejection: { consecutiveFailures: 3, ...ejection } } };
}

async function endpointsOf(mesh: ScriptedMesh, calls: number, path = "/s/M"): Promise<string[]> {
  const before = mesh.sent.length;
  for (let i = 0; i < calls; i++) await mesh.call({ ":path": path });
  return mesh.sent.slice(before).map((sent) => sent.endpoint);
}

function times(count: number, answer: Answer): Answer[] {
  return new Array<Answer>(count).fill(answer);
}

describe("states", () => {
  test("ejects after 3 failures in a row and probes with one call when its time is over", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [...times(3, broken), ok], b: [ok] }, options());
    await endpointsOf(mesh, 6);
    expect(mesh.changes).toEqual(["a ejected"]);
    expect(await endpointsOf(mesh, 4)).toEqual(["b", "b", "b", "b"]);
    await mesh.clock.advance(1_500);
    expect(await endpointsOf(mesh, 1)).toEqual(["a"]);
    expect(mesh.changes).toEqual(["a ejected", "a probing", "a admitted"]);
    expect(mesh.decisions).toEqual(["ejected", "probe"]);
    expect((await endpointsOf(mesh, 2)).sort()).toEqual(["a", "b"]);
  });

  test("of two calls that come at once when the time is over exactly one probes", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [...times(3, broken), never], b: [ok] }, options());
    await endpointsOf(mesh, 6);
    await mesh.clock.advance(1_500);
    const before = mesh.sent.length;
    const calls = Array.from({ length: 5 }, () => mesh.start());
    await Promise.all(calls.slice(1).map(({ result }) => result));
    const went = mesh.sent.slice(before).map(({ endpoint }) => endpoint);
    expect(went.filter((endpoint) => endpoint === "a")).toHaveLength(1);
    calls[0]!.call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
    // A probe that its caller gave up is none: the next call is the probe.
    expect(await endpointsOf(mesh, 0)).toEqual([]);
    await calls[0]!.result;
    void mesh.start();
    expect(mesh.sent.at(-1)?.endpoint).toBe("a");
  });

  test("a probe that fails ejects for twice as long, and so does an ejection soon after the return", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [...times(4, broken), ok, ...times(3, broken), ok], b: [ok] }, options());
    await endpointsOf(mesh, 6);
    await mesh.clock.advance(1_500);
    await endpointsOf(mesh, 1);
    await mesh.clock.advance(1_999);
    expect(await endpointsOf(mesh, 2)).toEqual(["b", "b"]);
    await mesh.clock.advance(1_001);
    expect(await endpointsOf(mesh, 1)).toEqual(["a"]);
    await endpointsOf(mesh, 6);
    expect(mesh.changes.at(-1)).toBe("a ejected");
    await mesh.clock.advance(3_999);
    expect(await endpointsOf(mesh, 2)).toEqual(["b", "b"]);
    await mesh.clock.advance(2_001);
    expect(await endpointsOf(mesh, 1)).toEqual(["a"]);
  });

  test("an answer to a call that began before the ejection changes nothing", async () => {
    const mesh = new ScriptedMesh();
    const late: Answer = { kind: "later", afterMs: 1_600, answer: broken };
    mesh.serve({ a: [late, ...times(3, broken), ok], b: [ok] }, options());
    void mesh.start();
    await endpointsOf(mesh, 6);
    expect(mesh.changes).toEqual(["a ejected"]);
    await mesh.clock.advance(1_550);
    await endpointsOf(mesh, 1);
    expect(mesh.changes).toEqual(["a ejected", "a probing", "a admitted"]);
    await mesh.clock.advance(100);
    await endpointsOf(mesh, 4);
    expect(mesh.changes).toHaveLength(3);
  });

  test("a new snapshot does not admit again what was ejected", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [broken], b: [ok] }, options());
    await endpointsOf(mesh, 6);
    mesh.serve({ a: [ok], b: [ok], c: [ok] }, options());
    expect(await endpointsOf(mesh, 8)).not.toContain("a");
  });

  test("an endpoint that comes back after all forgot it is admitted", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [broken], b: [ok] }, options());
    await endpointsOf(mesh, 6);
    mesh.serve({ b: [ok] }, options());
    expect(mesh.states.isAnyOut).toBe(false);
    mesh.serve({ a: [ok], b: [ok] }, options());
    expect(await endpointsOf(mesh, 4)).toContain("a");
  });
});

describe("evidence", () => {
  test("a failure in trailers counts as much as one in the header", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [{ kind: "status", status: 13, message: "half" }], b: [ok] }, options());
    await endpointsOf(mesh, 6);
    expect(mesh.changes).toEqual(["a ejected"]);
  });

  test("failures that are not in a row eject when they are too many", async () => {
    const mesh = new ScriptedMesh();
    const script = Array.from({ length: 10 }, () => [broken, ok]).flat();
    mesh.serve({ a: script, b: [ok] }, options({}, { consecutiveFailures: 5 }));
    await endpointsOf(mesh, 20);
    expect(mesh.admissions).toEqual([{ endpoint: "a", method: "other", state: "ejected", reason: "success_rate" }]);
  });

  test("RESOURCE_EXHAUSTED counts in the rate and fails a probe, but not as a failure in a row", async () => {
    const mesh = new ScriptedMesh();
    const script = [...times(20, shed), ...times(3, broken), shed, ok];
    mesh.serve({ a: script, b: [ok] }, options({}, { successRatePercent: 0 }));
    await endpointsOf(mesh, 40);
    expect(mesh.changes).toEqual([]);
    await mesh.clock.advance(3_000);
    await endpointsOf(mesh, 6);
    await mesh.clock.advance(1_500);
    await endpointsOf(mesh, 1);
    expect(mesh.changes).toEqual(["a ejected", "a probing", "a ejected"]);

    const rated = new ScriptedMesh();
    rated.serve({ a: [shed], b: [ok] }, options());
    await endpointsOf(rated, 20);
    expect(rated.admissions[0]).toMatchObject({ endpoint: "a", reason: "success_rate" });
  });

  test("a deadline that passes counts, and so does a caller that gives up within 5 ms of it", async () => {
    for (const [afterMs, changes] of [
      [100, ["a ejected"]],
      [96, ["a ejected"]],
      [90, []],
    ] as const) {
      const mesh = new ScriptedMesh();
      mesh.serve({ a: [never], b: [ok] }, options());
      for (let i = 0; i < 6; i++) {
        const { call, result } = mesh.start({ "grpc-timeout": "100m" });
        await mesh.clock.advance(afterMs);
        // As serve-calls.ts does when the caller's RST_STREAM arrives.
        const gone = new ProxyFailure("cancelled", "", "caller went away");
        call.cancel(atDeadline(gone, call, mesh.clock.nowMs()));
        await result;
      }
      expect(mesh.changes).toEqual(changes);
    }
  });

  test("a try that another one overtook says nothing", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [never], b: [ok] }, options());
    for (let i = 0; i < 12; i++) {
      const { call, result } = mesh.start();
      await mesh.clock.advance(0);
      call.cancel(new ProxyFailure("superseded", "", "another try was answered first"));
      await result;
    }
    expect(mesh.changes).toEqual([]);
  });
});

describe("methods", () => {
  const methods = { "/s/Good": unary, "/s/Bad": unary };

  test("one bad method does not take the endpoint out for the others", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [ok], b: [ok], "a/s/Bad": [broken] }, options({ methods }));
    await endpointsOf(mesh, 6, "/s/Bad");
    expect(mesh.admissions).toEqual([{ endpoint: "a", method: "/s/Bad", state: "ejected", reason: "consecutive" }]);
    expect(await endpointsOf(mesh, 4, "/s/Bad")).toEqual(["b", "b", "b", "b"]);
    expect((await endpointsOf(mesh, 4, "/s/Good")).sort()).toEqual(["a", "a", "b", "b"]);
  });

  test("an endpoint that cannot be reached is out for all methods", async () => {
    for (const failure of [unreachable, { kind: "lose_connection" } as const]) {
      const mesh = new ScriptedMesh();
      mesh.serve({ a: [failure], b: [ok] }, options({ methods }));
      await endpointsOf(mesh, 3, "/s/Good");
      await endpointsOf(mesh, 3, "/s/Bad");
      expect(mesh.admissions).toEqual([{ endpoint: "a", method: "", state: "ejected", reason: "consecutive" }]);
      expect(await endpointsOf(mesh, 4, "/s/Good")).toEqual(["b", "b", "b", "b"]);
    }
  });

  test("methods that nobody knows share one admission, however many a caller invents", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [broken], b: [ok] }, options());
    for (let i = 0; i < 6; i++) await endpointsOf(mesh, 1, `/s/Invented${i}`);
    expect(mesh.admissions).toEqual([{ endpoint: "a", method: "other", state: "ejected", reason: "consecutive" }]);
  });

  test("a stream's header is proof enough for a probe; a unary call's is not", async () => {
    for (const [traits, state] of [
      [watch, "admitted"],
      [unary, "probing"],
    ] as const) {
      const mesh = new ScriptedMesh();
      mesh.serve({ a: [...times(3, broken), { kind: "message_only", bytes: 9 }], b: [ok] }, options({ traits }));
      await endpointsOf(mesh, 6);
      await mesh.clock.advance(1_500);
      void mesh.start();
      await mesh.clock.advance(0);
      expect(mesh.admissions.at(-1)).toMatchObject({ endpoint: "a", method: "/s/M", state });
    }
  });
});

describe("the cap", () => {
  test.each([
    [1, 1, 0],
    [2, 2, 1],
    [3, 2, 1],
    [9, 4, 2],
    [10, 5, 3],
  ])("of %i endpoints of which %i fail %i are ejected at a time", async (size, failing, ejected) => {
    const mesh = new ScriptedMesh();
    const scripts = Array.from({ length: size }, (_, i) => [`e${i}`, [i < failing ? broken : ok]]);
    mesh.serve(Object.fromEntries(scripts), options());
    await endpointsOf(mesh, size * 10);
    expect(mesh.changes).toHaveLength(ejected);
    expect(mesh.decisions).toContain("eject_capped");
    expect(new Set(await endpointsOf(mesh, 50)).size).toBe(size - ejected);
  });

  test("at 100 % the last one still stays in", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [broken], b: [broken], c: [broken] }, options({}, { maxEjectedPercent: 100, panicPercent: 0 }));
    await endpointsOf(mesh, 60);
    expect(mesh.changes).toHaveLength(2);
    expect(new Set(await endpointsOf(mesh, 10)).size).toBe(1);
  });
});

describe("the others of the pool", () => {
  test("when all fail alike nobody is taken out, and that is said", async () => {
    const mesh = new ScriptedMesh();
    const scripts = Array.from({ length: 9 }, (_, i) => [`e${i}`, [ok, ok, broken]]);
    mesh.serve(Object.fromEntries(scripts), options());
    await endpointsOf(mesh, 200);
    expect(mesh.changes).toEqual([]);
    expect(mesh.decisions).toContain("eject_spared");
  });

  test("an endpoint that fails twice as often as the others is taken out", async () => {
    const mesh = new ScriptedMesh();
    const often = [broken, broken, ok, broken, broken, ok, broken];
    const seldom = [broken, ok, ok, ok, ok];
    const script = (answers: Answer[]) => Array.from({ length: 30 }, () => answers).flat();
    mesh.serve({ a: script(often), b: script(seldom), c: script(seldom) }, options());
    await endpointsOf(mesh, 90);
    expect(mesh.changes).toEqual(["a ejected"]);
  });

  test("a full queue's row of failures at a busy endpoint does not eject it, refused connections do", async () => {
    for (const [failure, changes] of [
      [broken, []],
      [unreachable, ["a ejected"]],
    ] as const) {
      const mesh = new ScriptedMesh();
      mesh.serve({ a: [...times(100, ok), ...times(10, failure), ok], b: [ok] }, options());
      for (let i = 0; i < 55; i++) {
        await endpointsOf(mesh, 4);
        await mesh.clock.advance(20);
      }
      expect(mesh.changes).toEqual(changes);
      expect(mesh.decisions).not.toContain("eject_spared");
    }
  });
});

describe("failover and panic", () => {
  test("the only endpoint of a target may go when a failover target can take its calls", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [...times(3, broken), ok], f: [ok] }, options({ failover: ["f"] }));
    expect(await endpointsOf(mesh, 5)).toEqual(["a", "a", "a", "f", "f"]);
    await mesh.clock.advance(1_500);
    expect(await endpointsOf(mesh, 3)).toEqual(["a", "a", "a"]);
    expect(mesh.decisions).not.toContain("panic");
  });

  test("with fewer than half of the registered endpoints left ejected ones are used, critical never", async () => {
    const mesh = new ScriptedMesh();
    const health = { c: "critical" } as const;
    mesh.serve({ a: [broken], b: [ok], c: [ok] }, options({ health }));
    await endpointsOf(mesh, 6);
    expect(mesh.changes).toEqual(["a ejected"]);
    expect(new Set(await endpointsOf(mesh, 20))).toEqual(new Set(["a", "b"]));
    expect(mesh.decisions).toContain("panic");
    // What comes of it is no evidence: the endpoint was not let through.
    expect(mesh.changes).toEqual(["a ejected"]);
  });

  test("half of them is enough, and 0 % panics only when nobody is left", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [broken], b: [ok] }, options());
    await endpointsOf(mesh, 6);
    expect(new Set(await endpointsOf(mesh, 6))).toEqual(new Set(["b"]));

    const calm = new ScriptedMesh();
    const health = { c: "critical" } as const;
    calm.serve({ a: [broken], b: [ok], c: [ok] }, options({ health }, { panicPercent: 0 }));
    await endpointsOf(calm, 6);
    expect(new Set(await endpointsOf(calm, 6))).toEqual(new Set(["b"]));
    calm.serve({ a: [broken], c: [ok] }, options({ health }, { panicPercent: 0 }));
    expect(await endpointsOf(calm, 3)).toEqual(["a", "a", "a"]);
    expect(calm.decisions.at(-1)).toBe("panic");
  });

  test("there is no panic while a failover target has an endpoint that is let through", async () => {
    const mesh = new ScriptedMesh();
    const health = { c: "critical", d: "critical" } as const;
    mesh.serve({ a: [broken], b: [ok], c: [ok], d: [ok], f: [ok] }, options({ health, failover: ["f"] }));
    await endpointsOf(mesh, 6);
    expect(new Set(await endpointsOf(mesh, 10))).toEqual(new Set(["b"]));
    // Now nobody but the ejected one is left there.
    mesh.serve({ a: [broken], c: [ok], f: [ok] }, options({ health, failover: ["f"] }));
    expect(new Set(await endpointsOf(mesh, 10))).toEqual(new Set(["f"]));
    expect(mesh.decisions).not.toContain("panic");
    // And here the failover target's only endpoint is critical.
    mesh.serve({ a: [broken], f: [ok] }, options({ health: { f: "critical" }, failover: ["f"] }));
    expect(await endpointsOf(mesh, 2)).toEqual(["a", "a"]);
    expect(mesh.decisions).toContain("panic");
  });

  test("an endpoint whose method is out and one that is out as a whole leave a third to be used", async () => {
    const mesh = new ScriptedMesh();
    const methods = { "/s/Good": unary, "/s/Bad": unary };
    mesh.serve({ a: [ok], b: [unreachable], c: [ok], "a/s/Bad": [broken] }, options({ methods }));
    await endpointsOf(mesh, 12, "/s/Good");
    await endpointsOf(mesh, 12, "/s/Bad");
    expect(mesh.changes).toEqual(["b ejected"]);
    expect(mesh.decisions).toContain("eject_capped");
    expect(new Set(await endpointsOf(mesh, 6, "/s/Good"))).toEqual(new Set(["a", "c"]));
  });
});

test("of five with 20 calls/s each, one that fails 30 % is out within 12 s, one that fails 10 % never", async () => {
  const random = seededRandom(5);
  const failing = (share: number) => Array.from({ length: 700 }, () => (random() < share ? broken : ok));
  const mesh = new ScriptedMesh();
  mesh.serve(
    { a: failing(0.3), b: failing(0.1), c: [ok], d: [ok], e: [ok] },
    { traits: unary, policy: { retry: { retries: 0 } } },
  );
  for (let i = 0; i < 1_200; i++) {
    if (i % 10 === 0) await mesh.clock.advance(100);
    await mesh.call();
  }
  expect(mesh.admissions[0]).toMatchObject({ endpoint: "a", method: "/s/M", state: "ejected" });
  expect(mesh.changes).not.toContain("b ejected");
});

test("the keys' defaults are those of the documentation", () => {
  expect(defaultEjectionPolicy).toEqual({
    consecutiveFailures: 5,
    successRatePercent: 80,
    minCalls: 5,
    windowMs: 10_000,
    baseMs: 1_000,
    maxMs: 60_000,
    maxEjectedPercent: 30,
    panicPercent: 50,
  });
});
