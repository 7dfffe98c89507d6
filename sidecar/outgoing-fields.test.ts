import { expect, test } from "vitest";
import type { Call } from "./call.ts";
import { HeaderField, type HeaderFields } from "./http2/header-field.ts";
import { changedFields, outgoingFields } from "./outgoing-fields.ts";

function fieldsOf(entries: Record<string, string>): HeaderFields {
  return Object.entries(entries).map(([name, value]) => new HeaderField(name, value));
}

function outgoing(
  entries: Record<string, string>,
  facts: { attempt?: number; leftMs?: number; previous?: number; isGrpc?: boolean; source?: string } = {},
) {
  const call = {
    fields: fieldsOf(entries),
    trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), parentSpanId: undefined, sampled: true },
    requestId: "r1",
    isGrpc: facts.isGrpc ?? false,
    previousAttempts: facts.previous ?? 0,
  } as unknown as Call;
  const fields = outgoingFields({
    call,
    attempt: facts.attempt ?? 1,
    leftMs: facts.leftMs ?? Number.POSITIVE_INFINITY,
    changes: [],
    source: facts.source === undefined ? undefined : new HeaderField("x-ferry-source", facts.source),
  });
  return fields.map((field) => `${field.name}: ${field.value}`);
}

test("the next hop gets the time that is left, this hop's span and the request's id", () => {
  expect(
    outgoing({ ":path": "/a/B", "grpc-timeout": "1S", traceparent: "x", te: "trailers" }, { leftMs: 250 }),
  ).toEqual([
    ":path: /a/B",
    "te: trailers",
    "grpc-timeout: 250000u",
    `traceparent: 00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    "x-request-id: r1",
  ]);
});

test("one authority goes on: :authority where it came, else host in its place", () => {
  expect(outgoing({ ":method": "GET", ":path": "/", ":authority": "a", host: "a" }).slice(0, 3)).toEqual([
    ":method: GET",
    ":path: /",
    ":authority: a",
  ]);
  const named = outgoing({ ":method": "GET", ":path": "/", host: "b" });
  expect(named.filter((field) => /authority|host/.test(field))).toEqual([":authority: b"]);
  expect(named.findIndex((field) => !field.startsWith(":"))).toBe(3);
});

test(":method goes first, te: trailers with gRPC, and expect does not go on", () => {
  const fields = outgoing({ ":path": "/", ":method": "HEAD", expect: "100-continue" });
  expect(fields[0]).toBe(":method: HEAD");
  expect(fields.filter((field) => /^(te|expect)/.test(field))).toEqual([]);
  expect(outgoing({ ":method": "POST", "content-type": "application/grpc" }, { isGrpc: true })).toContain(
    "te: trailers",
  );
});

test("a request id that came stays", () => {
  expect(outgoing({ "x-request-id": "theirs" })).toContain("x-request-id: theirs");
});

test("a sidecar says for whom it calls, whatever the application says, and passes the priority on", () => {
  const fields = { ":path": "/a/B", "x-ferry-source": "root", "x-ferry-priority": "critical", "x-request-id": "r0" };
  const ferryFields = (source?: string) =>
    outgoing(fields, source === undefined ? {} : { source }).filter((field) => field.startsWith("x-ferry"));
  expect(ferryFields("web")).toEqual(["x-ferry-priority: critical", "x-ferry-source: web"]);
  // The way in: what the caller's sidecar said goes on to the application.
  expect(ferryFields()).toEqual(["x-ferry-source: root", "x-ferry-priority: critical"]);
});

test("tries of this hop are added to those of hops before", () => {
  expect(outgoing({ "grpc-previous-rpc-attempts": "2" }, { attempt: 2, previous: 2 })).toContain(
    "grpc-previous-rpc-attempts: 3",
  );
  expect(outgoing({}).join()).not.toContain("attempts");
});

test("a change removes, sets and adds, whatever the case of its names, and leaves pseudo fields alone", () => {
  const changed = changedFields(fieldsOf({ ":path": "/x", "x-a": "1", "x-b": "2" }), [
    { Remove: ["X-A", ":path"], Set: { "X-B": "3" }, Add: { "x-b": "4" } },
  ]);
  expect(changed.map((field) => `${field.name}=${field.value}`)).toEqual([":path=/x", "x-b=3", "x-b=4"]);
});
