// What may stand in a service-resolver's LoadBalancer: Consul's fields, each only with the policies it belongs to, as
// Consul itself would refuse it otherwise. What Ferry does not do is refused with the reason. Used by
// config-entry-shapes.ts; what is read here is compiled by policy/balance-policy.ts.

import type { HashPolicy, LoadBalancer } from "../discovery-chain.ts";
import { balancerNames, maxRingPoints } from "../policy/balance-policy.ts";
import {
  flag,
  integer,
  isObject,
  list,
  noteProblem,
  object,
  oneOf,
  type Place,
  type Shape,
  text,
  unsupported,
  within,
} from "./shape.ts";

const hashField: Shape<string> = (value, at) =>
  value === "query_parameter"
    ? noteProblem(at, "header or cookie, because a gRPC path has no query", value)
    : oneOf("", "header", "cookie")(value, at);

const sourceAddress: Shape<boolean> = (value, at) =>
  value === true
    ? noteProblem(at, "this field to be absent, because to a sidecar all calls come from its own application", value)
    : flag(value, at);

const hashPolicyFields = object<HashPolicy>({
  Field: hashField,
  FieldValue: text,
  // A cookie is read, never made.
  CookieConfig: unsupported(),
  SourceIP: sourceAddress,
  Terminal: flag,
});

const hashPolicy: Shape<HashPolicy> = (value, at) => {
  const read = hashPolicyFields(value, at);
  // What was refused is told once.
  if (read === undefined || !isObject(value) || value.SourceIP === true || value.Field === "query_parameter")
    return read;
  const { Field = "", FieldValue = "" } = read;
  if (Field === "") noteProblem(within(at, "Field"), "header or cookie", value.Field);
  else if (FieldValue === "") noteProblem(within(at, "FieldValue"), `the name of the ${Field}`, value.FieldValue);
  return read;
};

const fields = object<LoadBalancer>({
  Policy: oneOf("", ...balancerNames),
  LeastRequestConfig: object<NonNullable<LoadBalancer["LeastRequestConfig"]>>({ ChoiceCount: integer(0, 100) }),
  RingHashConfig: object<NonNullable<LoadBalancer["RingHashConfig"]>>({
    MinimumRingSize: integer(0, maxRingPoints),
    MaximumRingSize: integer(0, maxRingPoints),
  }),
  HashPolicies: list(hashPolicy),
});

export const loadBalancer: Shape<LoadBalancer> = (value, at) => {
  const read = fields(value, at);
  if (read === undefined) return undefined;
  const { Policy = "", LeastRequestConfig, RingHashConfig, HashPolicies = [] } = read;
  expectPolicy(at, "LeastRequestConfig", LeastRequestConfig, ["least_request"], Policy);
  expectPolicy(at, "RingHashConfig", RingHashConfig, ["ring_hash"], Policy);
  if (HashPolicies.length > 0) expectPolicy(at, "HashPolicies", HashPolicies, ["ring_hash", "maglev"], Policy);
  const { MinimumRingSize = 0, MaximumRingSize = 0 } = RingHashConfig ?? {};
  if (MaximumRingSize !== 0 && MinimumRingSize > MaximumRingSize) {
    const place = within(within(at, "RingHashConfig"), "MaximumRingSize");
    noteProblem(place, `at least MinimumRingSize, ${MinimumRingSize}`, MaximumRingSize);
  }
  return read;
};

function expectPolicy(at: Place, name: string, value: unknown, policies: readonly string[], policy: string): void {
  if (value === undefined || policies.includes(policy)) return;
  noteProblem(within(at, name), `Policy to be ${policies.join(" or ")}, or this field to be absent`, policy);
}
