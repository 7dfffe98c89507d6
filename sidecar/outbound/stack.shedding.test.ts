import { expect, test } from "vitest";
import { ProxyFailure } from "../failure.ts";
import { fieldValue } from "../http2/header-field.ts";
import type { LimitPolicy } from "../routing/policy/limit-policy.ts";
import { type Answer, ScriptedMesh, type StartedCall } from "./testing/scripted-mesh.ts";

const never: Answer = { kind: "never" };

function meshWith(limit: Partial<LimitPolicy>, answers: Answer[] = [never]): ScriptedMesh {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: answers }, { policy: { limit } });
  return mesh;
}

/** Begins `count` calls and lets them get as far as they can. */
async function startAll(mesh: ScriptedMesh, count: number, header: Record<string, string> = {}) {
  const started = Array.from({ length: count }, () => mesh.start(header));
  await mesh.clock.advance(0);
  return started;
}

function end({ call }: StartedCall): void {
  call.cancel(new ProxyFailure("cancelled", "", "test wants its place"));
}

const critical = { "x-ferry-priority": "critical" };
const sheddable = { "x-ferry-priority": "sheddable" };

/** What reached the endpoint, by the name that a test gave it. */
function arrived(mesh: ScriptedMesh): (string | undefined)[] {
  return mesh.sent.map(({ fields }) => fieldValue(fields, "x-name")).filter((name) => name !== undefined);
}

test("exactly ferry_max_calls are under way; the next is refused with a reason and a pushback", async () => {
  const mesh = meshWith({ maxCalls: 3 });
  await startAll(mesh, 3);
  const refused = mesh.start();
  expect(await refused.result).toMatchObject({
    status: "14",
    failure: "overloaded",
    details: "s: 3 calls are under way, the limit is 3",
  });
  const pushback = Number(fieldValue((await refused.head).fields, "grpc-retry-pushback-ms"));
  expect(pushback).toBeGreaterThanOrEqual(25);
  expect(pushback).toBeLessThanOrEqual(600);
  expect(mesh.sent).toHaveLength(3);
  expect(mesh.decisions).toContain("shed");
});

test("a place is free again when its call has ended, however it ended", async () => {
  const mesh = meshWith({ maxCalls: 1 }, [
    { kind: "status", status: 0, message: "x" },
    { kind: "trailers_only", status: 5 },
    { kind: "lose_connection" },
    { kind: "break_inside_message" },
    { kind: "status", status: 0, message: "last" },
  ]);
  expect(await mesh.call()).toMatchObject({ status: "0" });
  expect(await mesh.call()).toMatchObject({ status: "5" });
  expect(await mesh.call()).toMatchObject({ status: "14", failure: "connection_lost" });
  await expect(mesh.call()).rejects.toThrow();
  expect(await mesh.call()).toMatchObject({ status: "0", message: "last" });
});

test("a stream has its place until it ends, not until its header", async () => {
  const mesh = meshWith({ maxCalls: 1 }, [{ kind: "message_only", bytes: 10 }]);
  const stream = mesh.start();
  await stream.head;
  expect(await mesh.call()).toMatchObject({ failure: "overloaded" });
  end(stream);
  await mesh.clock.advance(0);
  const next = mesh.start();
  await next.head;
  expect(mesh.sent).toHaveLength(2);
});

test("a call has one place however often it is tried", async () => {
  const mesh = new ScriptedMesh();
  const unavailable: Answer = { kind: "trailers_only", status: 14 };
  mesh.serve(
    { a: [unavailable], b: [{ kind: "status", status: 0, message: "fine" }] },
    { traits: { kind: "unary", idempotent: true }, policy: { limit: { maxCalls: 1 } } },
  );
  expect(await mesh.call()).toMatchObject({ status: "0", attempts: "2" });
  expect(await mesh.call()).toMatchObject({ status: "0" });
});

test("of 100 places sheddable calls get 80, default ones all", async () => {
  const mesh = meshWith({ maxCalls: 100 });
  await startAll(mesh, 100, sheddable);
  expect(mesh.sent).toHaveLength(80);
  await startAll(mesh, 100);
  expect(mesh.sent).toHaveLength(100);
});

test("once a critical call has come, default ones get 95 of 100 places and critical ones all", async () => {
  const mesh = meshWith({ maxCalls: 100 });
  end((await startAll(mesh, 1, critical))[0]!);
  await mesh.clock.advance(0);
  mesh.sent.length = 0;
  await startAll(mesh, 100, sheddable);
  expect(mesh.sent).toHaveLength(80);
  await startAll(mesh, 100);
  expect(mesh.sent).toHaveLength(95);
  await startAll(mesh, 100, critical);
  expect(mesh.sent).toHaveLength(100);
});

test("calls that wait get places by priority, and in order among equals", async () => {
  const mesh = meshWith({ maxCalls: 1, maxPending: 10 });
  const [first] = await startAll(mesh, 1);
  const waiting: StartedCall[] = [];
  for (const [name, priority] of [
    ["s1", "sheddable"],
    ["d1", "default"],
    ["c1", "critical"],
    ["d2", "nonsense"],
    ["c2", "critical"],
  ] as const) {
    waiting.push(mesh.start({ "x-name": name, "x-ferry-priority": priority }));
  }
  await mesh.clock.advance(0);
  expect(mesh.sent).toHaveLength(1);
  const byName = new Map(waiting.map((started) => [fieldValue(started.call.fields, "x-name"), started]));
  end(first!);
  for (let turn = 1; turn <= 5; turn++) {
    await mesh.clock.advance(0);
    expect(arrived(mesh)).toHaveLength(turn);
    end(byName.get(arrived(mesh).at(-1))!);
  }
  expect(arrived(mesh)).toEqual(["c1", "c2", "d1", "d2", "s1"]);
});

test("a wait ends at the deadline and frees its place in the queue", async () => {
  const mesh = meshWith({ maxCalls: 1, maxPending: 1 });
  const [first] = await startAll(mesh, 1);
  const waiting = mesh.call({ "grpc-timeout": "50m", "x-name": "late" });
  await mesh.clock.advance(49);
  expect(await mesh.call()).toMatchObject({ failure: "overloaded" });
  await mesh.clock.advance(1);
  expect(await waiting).toMatchObject({ status: "4", failure: "deadline_exceeded" });
  mesh.start({ "x-name": "next" });
  await mesh.clock.advance(0);
  end(first!);
  await mesh.clock.advance(0);
  expect(arrived(mesh)).toEqual(["next"]);
  expect(mesh.decisions).toEqual(["shed", "queued"]);
});

test("a full queue gives up the last of what matters less for what matters more", async () => {
  const mesh = meshWith({ maxCalls: 1, maxPending: 2 });
  await startAll(mesh, 1);
  const older = mesh.call({ ...sheddable, "x-name": "older" });
  const newer = mesh.call({ ...sheddable, "x-name": "newer" });
  const important = mesh.start({ ...critical, "x-name": "important" });
  expect(await newer).toMatchObject({ status: "14", failure: "overloaded" });
  expect(await mesh.call({ ...sheddable })).toMatchObject({ failure: "overloaded" });
  end(important);
  expect(await important.result).toMatchObject({ status: "1" });
  void older;
});

test("a raised limit lets in who waits, a lowered one lets those under way end", async () => {
  const mesh = meshWith({ maxCalls: 1, maxPending: 5 });
  const started = await startAll(mesh, 4);
  expect(mesh.sent).toHaveLength(1);
  mesh.serve({ a: [never] }, { policy: { limit: { maxCalls: 4, maxPending: 5 } } });
  // The next call brings the new limit.
  started.push(...(await startAll(mesh, 1)));
  expect(mesh.sent).toHaveLength(4);
  mesh.serve({ a: [never] }, { policy: { limit: { maxCalls: 1 } } });
  await startAll(mesh, 1);
  expect(mesh.sent).toHaveLength(4);
  expect(mesh.sent.some(({ cancelled }) => cancelled)).toBe(false);
});

test("the next sidecar gets the priority as it came", async () => {
  const mesh = meshWith({});
  await startAll(mesh, 1, critical);
  expect(fieldValue(mesh.sent[0]!.fields, "x-ferry-priority")).toBe("critical");
});
