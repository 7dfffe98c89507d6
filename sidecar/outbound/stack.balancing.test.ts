// Which endpoint a call goes to, on the real stack: the resolver's LoadBalancer is honoured, and what calls met is
// remembered. The shares themselves are tested with the pickers (sidecar/resilience/pick-*.test.ts).

import { describe, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import type { LoadBalancer } from "../routing/discovery-chain.ts";
import { type Answer, ScriptedMesh, type ServeOptions } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "hello" };
const peakEwma: LoadBalancer = {};
/** No retries, no ejection: what is seen is the balancer alone. */
const policy = { retry: { retries: 0 }, ejection: { consecutiveFailures: 0, successRatePercent: 0 } };

function five(options: ServeOptions = {}, answers: Record<string, Answer[]> = {}): ScriptedMesh {
  const mesh = new ScriptedMesh();
  const random = seededRandom(11);
  mesh.delayMs = (endpoint) => (endpoint === "slow" ? 100 : 10) * (0.5 + random());
  mesh.serve({ a: [ok], b: [ok], c: [ok], d: [ok], ...answers }, { loadBalancer: peakEwma, policy, ...options });
  return mesh;
}

/** Calls at 200 a second; how many went to each endpoint. */
async function counts(mesh: ScriptedMesh, calls: number, header: Record<string, string> = {}) {
  const before = mesh.sent.length;
  const results: Promise<unknown>[] = [];
  for (let call = 0; call < calls; call++) {
    results.push(mesh.call(header).catch(() => undefined));
    await mesh.clock.advance(5);
  }
  await mesh.clock.advance(2_000);
  await Promise.all(results);
  const counted: Record<string, number> = {};
  for (const { endpoint } of mesh.sent.slice(before)) counted[endpoint] = (counted[endpoint] ?? 0) + 1;
  return counted;
}

describe("without a policy, by P2C peak EWMA", () => {
  test("an endpoint that is 10 times slower than 4 others gets less than 2 % of 1,000 calls", async () => {
    expect((await counts(five({}, { slow: [ok] }), 1_000)).slow).toBeLessThan(20);
  });

  test.each<[string, Answer]>([
    ["in trailers after a header", { kind: "status", status: 14 }],
    ["in a header that is all", { kind: "trailers_only", status: 14 }],
    ["by refusing to connect", { kind: "refuse_connection" }],
  ])("an endpoint that fails fast %s gets less than 1 % of 1,000 calls", async (_, answer) => {
    const mesh = five({}, { bad: [answer] });
    mesh.delayMs = (endpoint) => (endpoint === "bad" ? 0.2 : 10);
    expect((await counts(mesh, 1_000)).bad).toBeLessThan(10);
  });

  test("an endpoint that never answers gets less than 2 % of 1,000 calls, though callers give up early", async () => {
    const mesh = five({}, { hole: [{ kind: "never" }] });
    expect((await counts(mesh, 1_000, { "grpc-timeout": "200m" })).hole).toBeLessThan(20);
  });

  test("a method that one endpoint fails fast leaves it there no more, and costs it no call of another", async () => {
    const traits = { kind: "unary", idempotent: true } as const;
    const mesh = five({ traits, methods: { "/s/N": traits } }, { "a/s/N": [{ kind: "trailers_only", status: 14 }] });
    const broken = await counts(mesh, 500, { ":path": "/s/N" });
    expect(broken.a ?? 0).toBeLessThan(5);
    expect(Math.abs(((await counts(mesh, 500)).a ?? 0) - 125)).toBeLessThan(40);
  });

  test("what is known of an endpoint outlives a snapshot", async () => {
    const mesh = five({}, { slow: [ok] });
    await counts(mesh, 200);
    mesh.serve({ slow: [ok], a: [ok] }, { loadBalancer: peakEwma, policy });
    expect((await counts(mesh, 20)).slow ?? 0).toBeLessThan(2);
  });

  test("streams that stay open count: 100 of them spread over 4 endpoints, 25 +- 3 each", async () => {
    const mesh = five(
      {},
      Object.fromEntries(["a", "b", "c", "d"].map((id) => [id, [{ kind: "message_only", bytes: 1 }]])),
    );
    mesh.delayMs = () => 5;
    for (let stream = 0; stream < 100; stream++) {
      void mesh.start().head;
      await mesh.clock.advance(10);
    }
    for (const id of ["a", "b", "c", "d"]) {
      const open = mesh.sent.filter(({ endpoint }) => endpoint === id).length;
      expect(Math.abs(open - 25)).toBeLessThanOrEqual(3);
    }
  });
});

describe("the resolver's policy", () => {
  test("round_robin takes turns by weight", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [ok], b: [ok] }, { weights: { b: 3 } });
    for (let call = 0; call < 8; call++) await mesh.call();
    expect(mesh.sent.map(({ endpoint }) => endpoint).join("")).toBe("abbbabbb");
  });

  test("random does not care how long an endpoint takes", async () => {
    const { slow = 0 } = await counts(five({ loadBalancer: { Policy: "random" } }, { slow: [ok] }), 1_000);
    expect(Math.abs(slow - 200)).toBeLessThan(40);
  });

  test("least_request with as many choices as endpoints goes where the fewest calls are under way", async () => {
    const mesh = five({ loadBalancer: { Policy: "least_request", LeastRequestConfig: { ChoiceCount: 20 } } });
    mesh.delayMs = () => 1_000;
    const started = Array.from({ length: 40 }, () => mesh.call());
    for (const id of ["a", "b", "c", "d"]) expect(mesh.sent.filter(({ endpoint }) => endpoint === id)).toHaveLength(10);
    await mesh.clock.advance(1_000);
    await Promise.all(started);
  });

  test.each([
    ["maglev by header", { Policy: "maglev", HashPolicies: [{ Field: "header", FieldValue: "X-User" }] }, "x-user", ""],
    [
      "ring_hash by cookie",
      { Policy: "ring_hash", HashPolicies: [{ Field: "cookie", FieldValue: "sid" }] },
      "cookie",
      "sid=",
    ],
  ])(
    "%s keeps each user at one endpoint, and the others there when one goes",
    async (_, loadBalancer, name, prefix) => {
      const mesh = five({ loadBalancer });
      const users = Array.from({ length: 200 }, (_, user) => `user-${user}`);
      const homes = async () => {
        const found: string[] = [];
        for (const user of users) {
          const call = mesh.call({ [name]: prefix + user });
          await mesh.clock.advance(20);
          await call;
          found.push(mesh.sent.at(-1)!.endpoint);
        }
        return found;
      };
      const before = await homes();
      expect(new Set(before).size).toBe(4);
      expect(await homes()).toEqual(before);
      mesh.serve({ d: [ok], b: [ok], a: [ok] }, { loadBalancer, policy });
      const after = await homes();
      const moved = before.filter((home, user) => home !== "c" && home !== after[user]);
      expect(moved.length).toBeLessThanOrEqual(loadBalancer.Policy === "maglev" ? 4 : 0);
      expect(Object.keys(await counts(mesh, 50)).sort()).toEqual(["a", "b", "d"]);
    },
  );
});

describe("every policy", () => {
  const policies: readonly LoadBalancer[] = [
    {},
    { Policy: "least_request" },
    { Policy: "random" },
    { Policy: "round_robin" },
    { Policy: "ring_hash", HashPolicies: [{ Field: "header", FieldValue: "x-request-id" }] },
    { Policy: "maglev", HashPolicies: [{ Field: "header", FieldValue: "x-request-id" }] },
  ];

  test.each(policies)("tries again elsewhere ($Policy)", async (loadBalancer) => {
    const mesh = new ScriptedMesh();
    const answers: Answer[] = [{ kind: "trailers_only", status: 14 }, ok];
    const traits = { kind: "unary", idempotent: true } as const;
    for (let call = 0; call < 20; call++) {
      mesh.serve({ a: answers, b: [ok], c: [ok] }, { loadBalancer, traits, policy: { retry: { retries: 1 } } });
      expect(await mesh.call({ "x-request-id": `r${call}` })).toMatchObject({ message: "hello" });
      // The retry budget fills up.
      await mesh.clock.advance(5_000);
    }
    const retried = mesh.sent.filter(({ fields }) =>
      fields.some((field) => field.name === "grpc-previous-rpc-attempts"),
    );
    expect(retried.map(({ endpoint }) => endpoint)).not.toContain("a");
  });

  test.each(policies)("sends nothing to a critical endpoint or one of weight 0 ($Policy)", async (loadBalancer) => {
    const mesh = five({ loadBalancer, health: { a: "critical" }, weights: { b: 0 } });
    expect(Object.keys(await counts(mesh, 50)).sort()).toEqual(["c", "d"]);
  });

  test.each(policies)(
    "uses a failover target only when nobody before it is healthy ($Policy)",
    async (loadBalancer) => {
      const failover = ["c", "d"];
      expect(Object.keys(await counts(five({ loadBalancer, failover }), 50)).sort()).toEqual(["a", "b"]);
      const mesh = five({ loadBalancer, failover, health: { a: "critical", b: "critical" } });
      expect(Object.keys(await counts(mesh, 50)).sort()).toEqual(["c", "d"]);
    },
  );
});

describe("ferry_slow_start", () => {
  const slowStart = { ...policy, balance: { slowStartMs: 10_000 } };

  test("a new endpoint beside 4 known ones begins with few calls and has its share when the time is over", async () => {
    const mesh = five({ policy: slowStart });
    await counts(mesh, 100);
    await mesh.clock.advance(20_000);
    mesh.serve({ a: [ok], b: [ok], c: [ok], d: [ok], e: [ok] }, { loadBalancer: peakEwma, policy: slowStart });
    const first = (await counts(mesh, 200)).e ?? 0;
    await mesh.clock.advance(10_000);
    const later = (await counts(mesh, 400)).e ?? 0;
    expect(first).toBeLessThan(16);
    expect(Math.abs(later - 80)).toBeLessThan(25);
  });

  test("one that turns healthy again begins anew", async () => {
    const mesh = five({ policy: slowStart, health: { d: "critical" } });
    await counts(mesh, 100);
    await mesh.clock.advance(20_000);
    mesh.serve({ a: [ok], b: [ok], c: [ok], d: [ok] }, { loadBalancer: { Policy: "round_robin" }, policy: slowStart });
    expect((await counts(mesh, 200)).d).toBeLessThan(20);
  });

  test("one that is admitted after an ejection begins anew", async () => {
    const mesh = new ScriptedMesh();
    const ejecting = { balance: { slowStartMs: 60_000 }, retry: { retries: 0 } };
    mesh.serve({ a: [{ kind: "refuse_connection" }], b: [ok], c: [ok], d: [ok] }, { policy: ejecting });
    await counts(mesh, 40);
    expect(mesh.changes).toContain("a ejected");
    mesh.script("a", [ok]);
    await mesh.clock.advance(120_000);
    const { a = 0 } = await counts(mesh, 400);
    expect(mesh.changes).toContain("a admitted");
    expect(a).toBeLessThan(30);
  });
});
