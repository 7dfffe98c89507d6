import { describe, expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import { Status } from "../grpc/status.ts";
import { checkFerrySettings, readPolicy } from "../routing/mesh-config/ferry-settings.ts";
import { policyFor } from "../routing/policy/call-policy.ts";
import type { FaultPolicy } from "../routing/policy/fault-policy.ts";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };

/** What method /s/M gets from these keys. */
function faults(values: Record<string, string>): FaultPolicy {
  return policyFor(readPolicy([{ origin: "test", values }]).policy, "/s/M").fault;
}

function faulty(values: Record<string, string>): ScriptedMesh {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [ok] }, { traits: { kind: "unary", idempotent: true }, policy: { fault: faults(values) } });
  return mesh;
}

function sentNames(mesh: ScriptedMesh): string[] {
  return mesh.sent.flatMap(({ fields }) => fields.map(({ name }) => name));
}

describe("a delay", () => {
  test("holds the call back for its time, once, and is noted", async () => {
    const mesh = faulty({ ferry_fault_delay: "100ms" });
    const { call, result } = mesh.start();
    await mesh.clock.advance(99);
    expect(mesh.sent).toHaveLength(0);
    await mesh.clock.advance(1);
    expect(await result).toMatchObject({ status: "0", message: "fine" });
    expect(call.notes.decisions).toEqual([{ kind: "fault_delay", atMs: 0, detail: "100 ms before s" }]);
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  test("is within the deadline: the caller is answered at it, and nothing is sent any more", async () => {
    const mesh = faulty({ ferry_fault_delay: "10s" });
    const { result } = mesh.start({ "grpc-timeout": "50m" });
    await mesh.clock.advance(50);
    expect(await result).toMatchObject({ status: "4", failure: "deadline_exceeded" });
    expect(mesh.clock.pendingTimers).toBe(0);
    await mesh.clock.advance(20_000);
    expect(mesh.sent).toHaveLength(0);
  });

  test("ends when the caller goes away", async () => {
    const mesh = faulty({ ferry_fault_delay: "10s" });
    const { call, result } = mesh.start();
    await mesh.clock.advance(10);
    call.cancel(new ProxyFailure("cancelled", "", "caller went away"));
    expect(await result).toMatchObject({ status: "1" });
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  test("takes its share: 10 % of 2,000 calls to within 2 points, by seed", async () => {
    const mesh = faulty({ ferry_fault_delay: "100ms 10%" });
    const started = Array.from({ length: 500 }, () => mesh.start());
    let delayed = 0;
    for (let round = 0; round < 4; round++) {
      if (round > 0) for (let i = 0; i < 500; i++) started.push(mesh.start());
      await mesh.clock.advance(100);
    }
    for (const { call } of started) delayed += call.notes.decisions?.length ?? 0;
    expect(delayed / started.length).toBeGreaterThan(0.08);
    expect(delayed / started.length).toBeLessThan(0.12);
  });
});

describe("an abort", () => {
  test("answers with the status that is wanted, explains itself, and is not retried", async () => {
    const mesh = faulty({ ferry_fault_abort: "RESOURCE_EXHAUSTED" });
    const { call, result } = mesh.start();
    expect(await result).toMatchObject({
      status: String(Status.RESOURCE_EXHAUSTED),
      failure: "fault_injected",
      attempts: undefined,
      details: "s: RESOURCE_EXHAUSTED put in on purpose, for 100 % of calls",
    });
    expect(mesh.sent).toHaveLength(0);
    expect(mesh.outcomes).toEqual([{ status: 8, httpStatus: 200, failure: "fault_injected" }]);
    expect(call.notes.decisions?.map(({ kind }) => kind)).toEqual(["fault_abort"]);
  });

  test("comes after the delay", async () => {
    const mesh = faulty({ ferry_fault_delay: "100ms", ferry_fault_abort: "UNAVAILABLE" });
    const { call, result } = mesh.start();
    await mesh.clock.advance(99);
    expect(mesh.outcomes).toEqual([]);
    await mesh.clock.advance(1);
    expect(await result).toMatchObject({ status: "14", failure: "fault_injected" });
    expect(call.notes.decisions?.map(({ kind, atMs }) => `${kind} ${atMs}`)).toEqual([
      "fault_delay 0",
      "fault_abort 100",
    ]);
  });

  test("takes its share: 5 % of 2,000 calls to within 1.5 points, by seed, and feeds no ejection", async () => {
    const mesh = faulty({ ferry_fault_abort: "UNAVAILABLE 5%" });
    let aborted = 0;
    for (let i = 0; i < 2_000; i++) if ((await mesh.call()).failure === "fault_injected") aborted++;
    expect(aborted / 2_000).toBeGreaterThan(0.035);
    expect(aborted / 2_000).toBeLessThan(0.065);
    expect(mesh.changes).toEqual([]);
  });

  test("may be for one method", async () => {
    const here = faulty({ "ferry_fault_abort:s/M": "INTERNAL" });
    expect(await here.call()).toMatchObject({ status: "13", failure: "fault_injected" });
    const elsewhere = faulty({ "ferry_fault_abort:s/Other": "INTERNAL" });
    expect(await elsewhere.call()).toMatchObject({ status: "0" });
  });
});

describe("a call's own fault fields", () => {
  const asked = { "x-ferry-fault-delay": "100ms", "x-ferry-fault-abort": "ABORTED" };

  test("do nothing where they are not allowed, and do not go on to the endpoint", async () => {
    const mesh = faulty({});
    expect(await mesh.call(asked)).toMatchObject({ status: "0" });
    expect(sentNames(mesh).filter((name) => name.startsWith("x-ferry-fault"))).toEqual([]);
  });

  test("make the fault where they are allowed", async () => {
    const mesh = faulty({ ferry_fault_headers: "on" });
    const { result } = mesh.start(asked);
    await mesh.clock.advance(99);
    expect(mesh.outcomes).toEqual([]);
    await mesh.clock.advance(1);
    expect(await result).toMatchObject({ status: "10", failure: "fault_injected" });
    expect(await mesh.call()).toMatchObject({ status: "0" });
  });

  test("stand in the place of the service's own, and off asks for none", async () => {
    const mesh = faulty({ ferry_fault_headers: "on", ferry_fault_abort: "INTERNAL" });
    expect(await mesh.call({ "x-ferry-fault-abort": "ABORTED" })).toMatchObject({ status: "10" });
    expect(await mesh.call({ "x-ferry-fault-abort": "off" })).toMatchObject({ status: "0" });
    expect(await mesh.call()).toMatchObject({ status: "13" });
    expect(sentNames(mesh).filter((name) => name.startsWith("x-ferry-fault"))).toEqual([]);
  });

  test("take a percentage as well", async () => {
    const mesh = faulty({ ferry_fault_headers: "on" });
    let aborted = 0;
    for (let i = 0; i < 1_000; i++) {
      if ((await mesh.call({ "x-ferry-fault-abort": "UNAVAILABLE 30%" })).status === "14") aborted++;
    }
    expect(aborted / 1_000).toBeGreaterThan(0.26);
    expect(aborted / 1_000).toBeLessThan(0.34);
  });

  test("that cannot be read are told, not passed over", async () => {
    const mesh = faulty({ ferry_fault_headers: "on" });
    for (const text of ["soon", "10m", "-1s", "1s 101%", "1s 10% 10%", ""]) {
      expect(await mesh.call({ "x-ferry-fault-delay": text })).toMatchObject({ failure: "bad_request" });
    }
    expect(await mesh.call({ "x-ferry-fault-abort": "OK" })).toMatchObject({ failure: "bad_request" });
    expect(mesh.sent).toHaveLength(0);
  });
});

test("a fault key that is not right is a problem that says what is", () => {
  const found = checkFerrySettings({
    ferry_fault_delay: "10m",
    ferry_fault_abort: "UNAVAILABLE,ABORTED",
    ferry_fault_headers: "yes",
  });
  expect(found.map(({ key, expected }) => `${key}: ${expected}`)).toEqual([
    "ferry_fault_delay: a duration up to 5m and, if not for all calls, a percentage, as 100ms 10%, or off",
    "ferry_fault_abort: a gRPC status but OK and, if not for all calls, a percentage, as UNAVAILABLE 5%, or off",
    "ferry_fault_headers: one of off, on",
  ]);
});
