import { expect, test } from "vitest";
import { balancerOf } from "./balance-policy.ts";

test("a resolver that names no policy, or one that nobody knows, gets peak EWMA", () => {
  for (const stated of [undefined, {}, { Policy: "" }, { Policy: "psychic" }]) {
    expect(balancerOf(stated)).toEqual({ kind: "peak_ewma" });
  }
});

test("what is not set, or 0 as Consul writes it, has Envoy's default", () => {
  expect(balancerOf({ Policy: "least_request" })).toEqual({ kind: "least_request", choices: 2 });
  const zero = { MinimumRingSize: 0, MaximumRingSize: 0 };
  expect(balancerOf({ Policy: "ring_hash", RingHashConfig: zero })).toEqual({
    ...{ kind: "ring_hash", minPoints: 1_024, maxPoints: 8_388_608, hash: [] },
  });
});

test("what is set is taken", () => {
  expect(balancerOf({ Policy: "least_request", LeastRequestConfig: { ChoiceCount: 5 } })).toMatchObject({ choices: 5 });
  const sizes = { MinimumRingSize: 64, MaximumRingSize: 512 };
  expect(balancerOf({ Policy: "ring_hash", RingHashConfig: sizes })).toMatchObject({ minPoints: 64, maxPoints: 512 });
  for (const kind of ["round_robin", "random"]) expect(balancerOf({ Policy: kind })).toEqual({ kind });
});

test("hash policies that are not acted on are left out, the others keep their order", () => {
  const HashPolicies = [
    { SourceIP: true },
    { Field: "header", FieldValue: "X-User", Terminal: true },
    { Field: "query_parameter", FieldValue: "q" },
    { Field: "cookie", FieldValue: "SID" },
  ];
  expect(balancerOf({ Policy: "maglev", HashPolicies })).toEqual({
    kind: "maglev",
    hash: [
      { from: "header", name: "x-user", isTerminal: true },
      { from: "cookie", name: "SID", isTerminal: false },
    ],
  });
});
