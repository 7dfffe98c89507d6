import { describe, expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import type { BodySink, BodySource } from "../http2/body.ts";
import { fieldValue } from "../http2/header-field.ts";
import type { DiscoveryChain } from "../routing/discovery-chain.ts";
import { checkFerrySettings, readPolicy } from "../routing/mesh-config/ferry-settings.ts";
import type { MirrorPolicy } from "../routing/policy/mirror-policy.ts";
import type { MethodTraits, Snapshot } from "../routing/snapshot.ts";
import { type Answer, ScriptedMesh, type ServeOptions } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const broken: Answer = { kind: "trailers_only", status: 13 };
const idempotent: MethodTraits = { kind: "unary", idempotent: true };

function mirroring(values: Record<string, string>): MirrorPolicy {
  return readPolicy([{ origin: "test", values }]).policy.all.mirror;
}

/**
 * Upstream `t`, with endpoint `t1` behind a splitter: all on v1, none on v2 (`t2`) unless a call says `x-side: v2`.
 */
function serveTarget(mesh: ScriptedMesh, answers: readonly Answer[], more: Partial<Snapshot> = {}): void {
  const resolver = (id: string) => ({ Type: "resolver" as const, Name: id, Resolver: { Target: id } });
  const endpoint = (id: string) => ({
    ...{ id, service: "t", version: "", host: id, port: 1, weight: 1, health: "passing" as const, meta: {} },
  });
  const chain: DiscoveryChain = {
    ServiceName: "t",
    Protocol: "grpc",
    StartNode: "router:t",
    Nodes: {
      "router:t": {
        ...{ Type: "router", Name: "t" },
        Routes: [
          {
            Definition: { Match: { HTTP: { Header: [{ Name: "x-side", Exact: "v2" }] } } },
            NextNode: "resolver:v2",
          },
          { NextNode: "splitter:t" },
        ],
      },
      "splitter:t": {
        ...{ Type: "splitter", Name: "t" },
        Splits: [{ Weight: 100, NextNode: "resolver:v1" }, { NextNode: "resolver:v2" }],
      },
      "resolver:v1": resolver("v1"),
      "resolver:v2": resolver("v2"),
    },
    Targets: {
      v1: { ID: "v1", Service: "t", ServiceSubset: "v1" },
      v2: { ID: "v2", Service: "t", ServiceSubset: "v2" },
    },
  };
  const endpoints = { v1: [endpoint("t1")], v2: [endpoint("t2")] };
  mesh.upstreams.apply({ upstream: "t", revision: 1, chain, endpoints, methods: {}, policies: {}, ...more });
  mesh.script("t1", answers);
  mesh.script("t2", answers);
}

function meshWith(values: Record<string, string>, options: ServeOptions & { target?: readonly Answer[] } = {}) {
  const mesh = new ScriptedMesh();
  const { target = [ok], ...rest } = options;
  mesh.serve({ a: [ok] }, { traits: idempotent, ...rest, policy: { ...rest.policy, mirror: mirroring(values) } });
  serveTarget(mesh, target);
  return mesh;
}

/** The copies that have been sent, as endpoint and body. */
function copies(mesh: ScriptedMesh): string[] {
  return mesh.sent
    .filter(({ fields }) => fieldValue(fields, "x-ferry-mirror") === "1")
    .map(({ endpoint, body }) => `${endpoint} ${body}`);
}

/** A body that a test sends piece by piece. */
class Pieces implements BodySource {
  sink: BodySink | undefined = undefined;
  attach(sink: BodySink): void {
    this.sink = sink;
  }
  grant(): void {}
  cancel(): void {}
}

describe("a mirrored call", () => {
  test("reaches its target as well, with the same body, marked, in the same trace but not sampled", async () => {
    const mesh = meshWith({ ferry_mirror: "t 100%" });
    const result = mesh.call({ traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, "x-user": "ada" });
    expect(await result).toMatchObject({ status: "0", message: "fine" });
    await mesh.clock.advance(0);
    const [real, copy] = mesh.sent;
    expect([real?.endpoint, copy?.endpoint]).toEqual(["a", "t1"]);
    expect(copy?.body).toBe(real?.body);
    const value = (name: string) => fieldValue(copy!.fields, name);
    expect(fieldValue(real!.fields, "x-ferry-mirror")).toBeUndefined();
    expect(value("x-ferry-mirror")).toBe("1");
    expect(value("x-ferry-priority")).toBe("sheddable");
    expect(value("x-user")).toBe("ada");
    expect(value("x-request-id")).toBe(fieldValue(real!.fields, "x-request-id"));
    expect(value("traceparent")).toMatch(new RegExp(`^00-${"a".repeat(32)}-[0-9a-f]{16}-00$`));
    expect(mesh.mirrored).toEqual(["t ok"]);
    expect(mesh.decisions).toEqual(["mirror"]);
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  test("goes to the subset that is named, even one of weight 0", async () => {
    const mesh = meshWith({ ferry_mirror: "t/v2 100%" });
    await mesh.call();
    await mesh.clock.advance(0);
    expect(copies(mesh)).toEqual(["t2 hello"]);
    expect(mesh.mirrored).toEqual(["t/v2 ok"]);
  });

  test("is copied piece by piece and sent when it is whole", async () => {
    const mesh = meshWith({ ferry_mirror: "t 100%" });
    const body = new Pieces();
    mesh.serve(
      { a: [{ kind: "never" }] },
      { traits: idempotent, policy: { mirror: mirroring({ ferry_mirror: "t 100%" }) } },
    );
    const { call, result } = mesh.start({}, body);
    await mesh.clock.advance(0);
    const chunk = Buffer.from("one ");
    body.sink?.data(chunk, false);
    chunk.fill(0);
    body.sink?.data(Buffer.from("two"), false);
    await mesh.clock.advance(1_000);
    expect(copies(mesh)).toEqual([]);
    body.sink?.data(Buffer.alloc(0), true);
    await mesh.clock.advance(0);
    expect(copies(mesh)).toEqual(["t1 one two"]);
    call.cancel(new ProxyFailure("cancelled", "", "test is over"));
    await result;
  });

  test("takes its share: 10 % of 2,000 calls to within 2 points, by seed", async () => {
    const mesh = meshWith({ ferry_mirror: "t 10%" });
    for (let i = 0; i < 2_000; i++) await mesh.call();
    await mesh.clock.advance(0);
    expect(mesh.mirrored.length / 2_000).toBeGreaterThan(0.08);
    expect(mesh.mirrored.length / 2_000).toBeLessThan(0.12);
    expect(new Set(mesh.mirrored)).toEqual(new Set(["t ok", "t full"]));
  });

  test("is copied once, however often the real one is tried", async () => {
    const mesh = new ScriptedMesh();
    const policy = { mirror: mirroring({ ferry_mirror: "t 100%" }) };
    mesh.serve({ a: [{ kind: "trailers_only", status: 14 }], b: [ok] }, { traits: idempotent, policy });
    serveTarget(mesh, [ok]);
    expect(await mesh.call()).toMatchObject({ status: "0", attempts: "2" });
    await mesh.clock.advance(0);
    expect(copies(mesh)).toEqual(["t1 hello"]);
  });
});

describe("a caller", () => {
  test("is answered at once while the copy hangs, which ends after 15 s", async () => {
    const mesh = meshWith({ ferry_mirror: "t 100%" }, { target: [{ kind: "never" }] });
    expect(await mesh.call()).toMatchObject({ status: "0", message: "fine", attempts: undefined });
    expect(mesh.clock.nowMs()).toBe(0);
    await mesh.clock.advance(14_999);
    expect(mesh.sent.map(({ endpoint, cancelled }) => [endpoint, cancelled])).toEqual([
      ["a", false],
      ["t1", false],
    ]);
    await mesh.clock.advance(1);
    expect(mesh.sent[1]?.cancelled).toBe(true);
    expect(mesh.mirrored).toEqual(["t failed"]);
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  test("gives its copy no more time than it has itself", async () => {
    const mesh = meshWith({ ferry_mirror: "t 100%" }, { target: [{ kind: "never" }] });
    await mesh.call({ "grpc-timeout": "2S" });
    await mesh.clock.advance(1_999);
    expect(mesh.mirrored).toEqual([]);
    await mesh.clock.advance(1);
    expect(mesh.mirrored).toEqual(["t failed"]);
  });

  test("does not hear of a copy that fails, however it does", async () => {
    const failing: Answer[] = [
      { kind: "refuse_connection" },
      { kind: "refuse_stream" },
      { kind: "lose_connection" },
      { kind: "break_after_message" },
      broken,
    ];
    for (const answer of failing) {
      const mesh = meshWith({ ferry_mirror: "t 100%" }, { target: [answer] });
      for (let i = 0; i < 20; i++) {
        expect(await mesh.call()).toMatchObject({ status: "0", message: "fine", attempts: undefined });
        await mesh.clock.advance(0);
      }
      expect(mesh.sent).toHaveLength(40);
      expect(new Set(mesh.mirrored)).toEqual(new Set([answer === broken ? "t error" : "t failed"]));
      expect(mesh.changes).toEqual([]);
    }
  });

  test("who goes away before its request is whole leaves no copy", async () => {
    const mesh = meshWith({ ferry_mirror: "t 100%" });
    const { call, result } = mesh.start({}, new Pieces());
    await mesh.clock.advance(0);
    call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
    await result;
    await mesh.clock.advance(0);
    expect(copies(mesh)).toEqual([]);
    expect(mesh.mirrored).toEqual(["t cut"]);
  });

  test("sends a body of any length, but one that is longer than what is kept is not mirrored", async () => {
    const policy = { mirror: mirroring({ ferry_mirror: "t 100%" }) };
    const mesh = meshWith({ ferry_mirror: "t 100%" });
    mesh.serve({ a: [{ kind: "later", afterMs: 10, answer: ok }] }, { traits: idempotent, policy });
    const body = new Pieces();
    const { result } = mesh.start({}, body);
    await mesh.clock.advance(0);
    for (let i = 0; i < 3; i++) body.sink?.data(Buffer.alloc(400, "x"), i === 2);
    await mesh.clock.advance(10);
    expect(await result).toMatchObject({ status: "0" });
    expect(mesh.sent[0]?.body).toHaveLength(1_200);
    expect(copies(mesh)).toEqual([]);
    expect(mesh.mirrored).toEqual(["t too_long"]);
  });
});

describe("an endpoint that real calls and copies share", () => {
  test("is not ejected for what it answered to copies", async () => {
    const mesh = new ScriptedMesh();
    const policy = { mirror: mirroring({ ferry_mirror: "s 100%" }) };
    mesh.serve({ a: [ok, broken, ok, broken, ok, broken, ok, broken, ok], b: [ok] }, { traits: idempotent, policy });
    for (let i = 0; i < 20; i++) {
      await mesh.call();
      await mesh.clock.advance(0);
    }
    expect(mesh.mirrored.filter((result) => result === "s error").length).toBeGreaterThan(0);
    expect(mesh.changes).toEqual([]);
  });
});

describe("what is mirrored", () => {
  const cases: [string, MethodTraits | undefined, Record<string, string>, number][] = [
    ["an idempotent method", idempotent, {}, 1],
    ["a method that is not idempotent", { kind: "unary", idempotent: false }, {}, 0],
    ["an unknown method", undefined, {}, 0],
    ["any method where the policy says all", { kind: "unary", idempotent: false }, { ferry_mirror_methods: "all" }, 1],
    ["a server's stream", { kind: "server_streaming", idempotent: true }, {}, 1],
    ["a conversation", { kind: "bidi_streaming", idempotent: true }, { ferry_mirror_methods: "all" }, 0],
    ["a service that mirrors nothing", idempotent, { ferry_mirror: "off" }, 0],
    ["a share of 0", idempotent, { ferry_mirror: "t 0%" }, 0],
  ];
  test.each(cases)("%s", async (_, traits, values, expected) => {
    const mesh = new ScriptedMesh();
    const policy = { mirror: mirroring({ ferry_mirror: "t 100%", ...values }) };
    mesh.serve({ a: [ok] }, traits === undefined ? { policy } : { traits, policy });
    serveTarget(mesh, [ok]);
    await mesh.call();
    await mesh.clock.advance(0);
    expect(copies(mesh)).toHaveLength(expected);
  });

  test("is not a call that goes to the target's subset anyway", async () => {
    const mesh = new ScriptedMesh();
    const policy = readPolicy([{ origin: "test", values: { ferry_mirror: "t/v2 100%" } }]).policy;
    serveTarget(mesh, [ok], { methods: { "/s/M": idempotent }, policies: { t: policy } });
    for (const [subset, count] of [
      ["v1", 1],
      ["v2", 0],
    ] as const) {
      const before = copies(mesh).length;
      await mesh.call({ ":authority": "t", "x-side": subset });
      await mesh.clock.advance(0);
      expect(copies(mesh).length - before).toBe(count);
    }
  });

  test("is never a copy itself", async () => {
    const mesh = meshWith({ ferry_mirror: "t 100%" });
    await mesh.call({ "x-ferry-mirror": "1" });
    await mesh.clock.advance(0);
    expect(mesh.sent.map(({ endpoint }) => endpoint)).toEqual(["a"]);
  });

  test("is not a call that a fault ended", async () => {
    const fault = readPolicy([{ origin: "test", values: { ferry_fault_abort: "INTERNAL" } }]).policy.all.fault;
    const mesh = meshWith({ ferry_mirror: "t 100%" }, { policy: { fault } });
    expect(await mesh.call()).toMatchObject({ failure: "fault_injected" });
    await mesh.clock.advance(0);
    expect(mesh.sent).toHaveLength(0);
    expect(mesh.mirrored).toEqual([]);
  });
});

describe("the mirror's own budget", () => {
  test("makes no more copies than may be under way, and counts those it did not make", async () => {
    const values = { ferry_mirror: "t 100%", ferry_mirror_max_calls: "2" };
    const mesh = meshWith(values, { target: [{ kind: "never" }] });
    for (let i = 0; i < 5; i++) expect(await mesh.call()).toMatchObject({ status: "0" });
    await mesh.clock.advance(0);
    expect(copies(mesh)).toHaveLength(2);
    expect(mesh.mirrored).toEqual(["t full", "t full", "t full"]);
    await mesh.clock.advance(15_000);
    await mesh.call();
    await mesh.clock.advance(0);
    expect(copies(mesh)).toHaveLength(3);
  });

  test("gives the place of a request back that never becomes whole", async () => {
    const values = { ferry_mirror: "t 100%", ferry_mirror_max_calls: "1" };
    const mesh = meshWith(values);
    mesh.serve({ a: [{ kind: "never" }, ok] }, { traits: idempotent, policy: { mirror: mirroring(values) } });
    const { call, result } = mesh.start({}, new Pieces());
    await mesh.clock.advance(0);
    await mesh.call();
    expect(mesh.mirrored).toEqual(["t full"]);
    call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
    await result;
    await mesh.call();
    await mesh.clock.advance(0);
    expect(mesh.mirrored).toEqual(["t full", "t cut", "t ok"]);
  });
});

describe("a target", () => {
  test("that nobody watches yet is asked for, once, and gets copies when its snapshot is here", async () => {
    const mesh = new ScriptedMesh();
    mesh.serve({ a: [ok] }, { traits: idempotent, policy: { mirror: mirroring({ ferry_mirror: "t 100%" }) } });
    for (let i = 0; i < 3; i++) {
      await mesh.call();
      await mesh.clock.advance(0);
    }
    expect(mesh.wanted).toEqual(["t"]);
    serveTarget(mesh, [ok]);
    await mesh.call();
    await mesh.clock.advance(0);
    expect(mesh.mirrored).toEqual(["t unknown_target", "t unknown_target", "t unknown_target", "t ok"]);
  });

  test("whose chain does not name the subset gets nothing", async () => {
    const mesh = meshWith({ ferry_mirror: "t/v3 100%" });
    await mesh.call();
    await mesh.clock.advance(0);
    expect(copies(mesh)).toEqual([]);
    expect(mesh.mirrored).toEqual(["t/v3 unknown_target"]);
  });
});

test("a mirror key that is not right is a problem that says what is", () => {
  const found = checkFerrySettings({
    ferry_mirror: "quote-query/v2",
    ferry_mirror_methods: "some",
    ferry_mirror_max_calls: "0",
    "ferry_mirror_max_calls:s/M": "5",
  });
  expect(found.map(({ expected }) => expected)).toEqual([
    "a service or service/subset and a percentage, as quote-query/v2 10%, or off",
    "one of idempotent, all",
    "an integer from 1 to 100000",
    "ferry_mirror_max_calls without a method: it is for a whole service",
  ]);
});
