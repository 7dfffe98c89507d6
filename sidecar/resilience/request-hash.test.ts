import { expect, test } from "vitest";
import { HeaderField } from "../http2/header-field.ts";
import type { HashPolicy } from "../routing/discovery-chain.ts";
import { balancerOf } from "../routing/policy/balance-policy.ts";
import { requestHash } from "./request-hash.ts";

function hash(header: readonly (readonly [string, string])[], ...policies: readonly HashPolicy[]): number | undefined {
  const balancer = balancerOf({ Policy: "maglev", HashPolicies: policies });
  const fields = header.map(([name, value]) => new HeaderField(name, value));
  return balancer.kind === "maglev" ? requestHash(fields, balancer.hash) : undefined;
}

const user: HashPolicy = { Field: "header", FieldValue: "X-User" };
const session: HashPolicy = { Field: "cookie", FieldValue: "sid" };

test("equal values of the header give equal hashes, others others", () => {
  expect(hash([["x-user", "ann"]], user)).toBe(
    hash(
      [
        ["x-user", "ann"],
        ["x-other", "1"],
      ],
      user,
    ),
  );
  expect(hash([["x-user", "ann"]], user)).not.toBe(hash([["x-user", "bob"]], user));
});

test("stays the same from release to release", () => {
  expect(hash([["x-user", "ann"]], user)).toBe(1_487_338_159);
});

test("a cookie is found among others and in a field of its own", () => {
  const alone = hash([["cookie", "sid=42"]], session);
  expect(alone).toBeDefined();
  expect(hash([["cookie", "a=1; sid=42; b=2"]], session)).toBe(alone);
  expect(
    hash(
      [
        ["cookie", "a=1"],
        ["cookie", "sid=42"],
      ],
      session,
    ),
  ).toBe(alone);
  expect(hash([["cookie", "a=1; xsid=42"]], session)).toBeUndefined();
});

test("a request with none of what is named has no hash", () => {
  expect(hash([["x-user", ""]], user, session)).toBeUndefined();
  expect(hash([["x-user", "ann"]])).toBeUndefined();
});

test("all that is there counts, up to one that is terminal", () => {
  const both = [
    ["x-user", "ann"],
    ["cookie", "sid=42"],
  ] as const;
  expect(hash(both, user, session)).not.toBe(hash(both, user));
  expect(hash(both, { ...user, Terminal: true }, session)).toBe(hash(both, user));
  expect(hash([["cookie", "sid=42"]], { ...user, Terminal: true }, session)).toBe(hash(both, session));
});

test("equal values of two fields do not cancel each other", () => {
  expect(
    hash(
      [
        ["x-user", "7"],
        ["cookie", "sid=7"],
      ],
      user,
      session,
    ),
  ).not.toBe(0);
});
