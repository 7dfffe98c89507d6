// What the control part hands to the data part: one immutable Snapshot per upstream, whole, as plain data (it survives
// structuredClone, so that it can go to a worker). A call keeps the snapshot that it began with.

import type { Endpoint } from "../discovery/registry.ts";
import type { DiscoveryChain } from "./discovery-chain.ts";
import type { ServicePolicy } from "./policy/call-policy.ts";

export interface Snapshot {
  /** The upstream's name, as callers write it in `:authority`. */
  readonly upstream: string;
  /** Counts up with every change of this upstream. */
  readonly revision: number;
  readonly chain: DiscoveryChain;
  /** By the chain's target id: every registered instance of the target, healthy or not. */
  readonly endpoints: Readonly<Record<string, readonly Endpoint[]>>;
  /** By full method path: what is known of the method. Absent: unknown, so never retried on suspicion. */
  readonly methods: Readonly<Record<string, MethodTraits>>;
  /** By service, for every service that a target of the chain names: our own settings, defaults filled in. */
  readonly policies: Readonly<Record<string, ServicePolicy>>;
}

export interface MethodTraits {
  readonly kind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";
  /** From `idempotency_level`: NO_SIDE_EFFECTS or IDEMPOTENT. */
  readonly idempotent: boolean;
}
