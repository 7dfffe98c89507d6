import { expect, test } from "vitest";
import type { RoutedCall } from "../call.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { defaultCallPolicy } from "../routing/policy/call-policy.ts";
import type { Candidates } from "../routing/route-table.ts";
import { EndpointStates } from "./endpoint-states.ts";
import { admitted } from "./failure-accrual.ts";
import { UsableEndpoints } from "./usable-endpoints.ts";

const traits = { kind: "unary", idempotent: false } as const;

function endpoints(...ids: string[]): readonly Endpoint[] {
  return ids.map((id) => ({
    ...{ id, service: "s", version: "", host: id, port: 1, weight: 1, health: "passing", meta: {} },
  }));
}

/** All that is asked of a call. */
function routed(targets: Candidates["targets"], path = "/s/M"): RoutedCall {
  const route = { policy: defaultCallPolicy };
  return { call: { path }, route, candidates: { targets, traits } } as unknown as RoutedCall;
}

function target(id: string, its: readonly Endpoint[], registered = its.length): Candidates["targets"][number] {
  return { id, endpoints: its, registered };
}

function scene(targets: Candidates["targets"]) {
  const states = new EndpointStates();
  const usable = new UsableEndpoints(states);
  return {
    states,
    of: (nowMs = 0, path = "/s/M") => usable.of(routed(targets, path), nowMs),
    eject(endpoint: Endpoint, untilMs = 1_000) {
      const state = states.of(endpoint);
      states.move(state, state.whole, { state: "ejected", untilMs, ejections: 1 });
      return state;
    },
  };
}

test("nobody is out: the first target that has an endpoint, and always the same answer", () => {
  const { of } = scene([target("empty", []), target("s", endpoints("a", "b"))]);
  expect(of()).toEqual({ target: 1, out: undefined, due: undefined, panic: undefined });
  expect(of()).toBe(of(99, "/s/Other"));
});

test("no endpoint at all is no target", () => {
  expect(scene([target("s", [])]).of().target).toBe(-1);
});

test("the answer stays until an admission changes or an ejection ends", () => {
  const [a, b, c] = endpoints("a", "b", "c") as [Endpoint, Endpoint, Endpoint];
  const { of, eject, states } = scene([target("s", [a, b, c])]);
  const state = eject(a);
  const first = of(1);
  expect(first).toMatchObject({ target: 0, out: new Set([state]), due: undefined });
  expect(of(999)).toBe(first);
  expect(of(1_000)).toMatchObject({ out: undefined, due: a });
  states.move(state, state.whole, { state: "probing", untilMs: 11_000, ejections: 1 });
  expect(of(1_001)).toMatchObject({ out: new Set([state]), due: undefined });
  expect(of(11_000).due).toBe(a);
  states.move(state, state.whole, admitted);
  expect(of(1_002)).toBe(of(0));
});

test("what is out elsewhere does not change the answer", () => {
  const [a, b] = endpoints("a", "b") as [Endpoint, Endpoint];
  const { of, eject } = scene([target("s", [a, b])]);
  const healthy = of();
  eject(endpoints("elsewhere")[0]!);
  expect(of()).toBe(healthy);
});

test("a method that is out leaves the others alone", () => {
  const its = endpoints("a", "b");
  const { of, states } = scene([target("s", its)]);
  const state = states.of(its[0]!);
  states.move(state, state.ofMethod("/s/M", true), { state: "ejected", untilMs: 1_000, ejections: 1 });
  expect(of(0, "/s/M").out).toEqual(new Set([state]));
  expect(of(0, "/s/N").out).toBeUndefined();
});

test("panic counts registered endpoints, and only where no other target helps", () => {
  const its = endpoints("a", "b");
  const other = endpoints("f");
  const calm = scene([target("s", its, 2)]);
  calm.eject(its[0]!);
  expect(calm.of().panic).toBeUndefined();

  const short = scene([target("s", its, 3)]);
  short.eject(its[0]!);
  expect(short.of()).toMatchObject({ out: undefined, panic: "1 of 3 registered endpoints of s are left" });

  const helped = scene([target("s", its, 3), target("f", other)]);
  helped.eject(its[0]!);
  expect(helped.of()).toMatchObject({ target: 0, panic: undefined });
  helped.eject(its[1]!);
  expect(helped.of()).toMatchObject({ target: 1, out: undefined, panic: undefined });
  helped.eject(other[0]!);
  expect(helped.of()).toMatchObject({ target: 0, out: undefined });
  expect(helped.of().panic).toContain("0 of 3");
});
