import { expect, test } from "vitest";
import type { Endpoint } from "../discovery/registry.ts";
import { EndpointStates } from "./endpoint-states.ts";
import { type Accrual, admitted } from "./failure-accrual.ts";

const ejected: Accrual = { state: "ejected", untilMs: 1_000, ejections: 1 };

function endpoint(id: string): Endpoint {
  return { id, service: "s", version: "", host: id, port: 1, weight: 1, health: "passing", meta: {} };
}

test("an endpoint that a new snapshot names again keeps its state, one that none names loses it", () => {
  const states = new EndpointStates();
  const kept = states.of(endpoint("a"));
  const lost = states.of(endpoint("b"));
  states.retain([endpoint("a")]);
  expect(states.of(endpoint("a"))).toBe(kept);
  expect(states.of(endpoint("b"))).not.toBe(lost);
});

test("known methods have an admission each, up to 256; all others share one", () => {
  const state = new EndpointStates().of(endpoint("a"));
  const admissions = new Set(Array.from({ length: 10_000 }, (_, i) => state.ofMethod(`/s/M${i}`, true)));
  expect(admissions.size).toBe(257);
  expect(state.ofMethod("/s/M7", true)).toBe(state.ofMethod("/s/M7", true));
  expect(state.ofMethod("/s/M7", false)).toBe(state.ofMethod("/s/Invented", false));
});

test("asking whether a method is out makes nothing", () => {
  const states = new EndpointStates();
  const state = states.of(endpoint("a"));
  expect(state.isOut("/s/M", true)).toBe(false);
  states.move(state, state.ofMethod("/s/M", true), ejected);
  expect([state.isOut("/s/M", true), state.isOut("/s/N", true), state.isOut("/s/M", false)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(state.outMethods.map(({ method }) => method)).toEqual(["/s/M"]);
});

test("whether anybody is out is known without looking, also when an endpoint goes while it is out", () => {
  const states = new EndpointStates();
  const a = states.of(endpoint("a"));
  const b = states.of(endpoint("b"));
  states.move(a, a.whole, ejected);
  states.move(b, b.ofMethod("/s/M", true), ejected);
  states.move(a, a.whole, admitted);
  expect(states.isAnyOut).toBe(true);
  states.retain([endpoint("a")]);
  expect(states.isAnyOut).toBe(false);
  // A call to it was still under way.
  states.move(b, b.ofMethod("/s/M", true), admitted);
  states.move(b, b.whole, ejected);
  expect(states.isAnyOut).toBe(false);
});

test("the version counts changes of state, and a return clears the success rate", () => {
  const states = new EndpointStates();
  const { whole } = states.of(endpoint("a"));
  const state = states.of(endpoint("a"));
  states.move(state, whole, { state: "admitted", failures: 3, ejections: 0, sinceMs: 0 });
  expect([states.version, whole.since]).toEqual([0, 0]);
  whole.rate.record(true, 0, 10_000);
  states.move(state, whole, ejected);
  expect([states.version, whole.since, whole.rate.calls]).toEqual([1, 1, 1]);
  states.move(state, whole, admitted);
  expect([states.version, whole.since, whole.rate.calls]).toEqual([2, 2, 0]);
});
