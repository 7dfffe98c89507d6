// How the endpoints of a target share its calls. The policy is the resolver's own `LoadBalancer`, in Consul's words;
// `balancerOf` reads it once, when a route is compiled, and the balance layer acts on what it gives. A resolver that
// names none gets P2C peak EWMA, where Consul's own proxies would take turns. Beyond Consul's fields there is slow
// start, a key of ours. Pure.

import type { HashPolicy, LoadBalancer } from "../discovery-chain.ts";
import { setting, type TopicSetting } from "./setting.ts";
import { duration } from "./value-forms.ts";

/** What balance does with a call of a route. Plain data. */
export type Balancer =
  /** The cheaper of two endpoints, by response time and calls under way. */
  | { readonly kind: "peak_ewma" }
  /** The one with the fewest calls under way among `choices` that are drawn. */
  | { readonly kind: "least_request"; readonly choices: number }
  | { readonly kind: "round_robin" }
  | { readonly kind: "random" }
  /** Equal hashes go to the same endpoint. Sizes are points on the ring. */
  | {
      readonly kind: "ring_hash";
      readonly minPoints: number;
      readonly maxPoints: number;
      readonly hash: readonly HashSource[];
    }
  | { readonly kind: "maglev"; readonly hash: readonly HashSource[] };

/** A part of a request that its hash is made of. */
export interface HashSource {
  readonly from: "header" | "cookie";
  /** Of the header, in lower case, or of the cookie. */
  readonly name: string;
  /** What follows is not looked at when this one is there. */
  readonly isTerminal: boolean;
}

/** Consul's words; empty is "not set". */
export const balancerNames = ["random", "round_robin", "least_request", "ring_hash", "maglev"] as const;

export const defaultBalancer: Balancer = { kind: "peak_ewma" };
const defaultChoices = 2;
const defaultMinPoints = 1_024;
/** Consul's and Envoy's highest. */
export const maxRingPoints = 8_388_608;

/** A word that is none of Consul's is as good as none. What is not set has Envoy's default. */
export function balancerOf(stated: LoadBalancer | undefined): Balancer {
  // 0 is how Consul writes "not set".
  switch (stated?.Policy) {
    case "round_robin":
    case "random":
      return { kind: stated.Policy };
    case "least_request":
      return { kind: "least_request", choices: stated.LeastRequestConfig?.ChoiceCount || defaultChoices };
    case "ring_hash": {
      const maxPoints = stated.RingHashConfig?.MaximumRingSize || maxRingPoints;
      const minPoints = Math.min(stated.RingHashConfig?.MinimumRingSize || defaultMinPoints, maxPoints);
      return { kind: "ring_hash", minPoints, maxPoints, hash: hashSourcesOf(stated.HashPolicies) };
    }
    case "maglev":
      return { kind: "maglev", hash: hashSourcesOf(stated.HashPolicies) };
    default:
      return defaultBalancer;
  }
}

/** The hash policies that Ferry acts on; readers of the configuration name the others. */
function hashSourcesOf(policies: readonly HashPolicy[] | undefined): readonly HashSource[] {
  const sources: HashSource[] = [];
  for (const { Field, FieldValue = "", Terminal = false } of policies ?? []) {
    if (FieldValue === "") continue;
    if (Field === "header") sources.push({ from: "header", name: FieldValue.toLowerCase(), isTerminal: Terminal });
    if (Field === "cookie") sources.push({ from: "cookie", name: FieldValue, isTerminal: Terminal });
  }
  return sources;
}

export interface BalancePolicy {
  /** An endpoint's share grows for so long after it came or came back, milliseconds; 0: it is full at once. */
  readonly slowStartMs: number;
}

export const defaultBalancePolicy: BalancePolicy = { slowStartMs: 0 };

export const balanceSettings: readonly TopicSetting<BalancePolicy>[] = [
  setting({
    key: "ferry_slow_start",
    form: duration("100ms", true),
    default: "0",
    doc: "An endpoint that is new, healthy again or no longer ejected begins with a tenth of its share of the calls, which grows evenly to the whole in this time. ring_hash and maglev do without, because keys would move.",
    scope: "service",
    apply: (policy, slowStartMs) => ({ ...policy, slowStartMs }),
  }),
];
