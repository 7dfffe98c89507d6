// The fast form of a Snapshot: what a call's route is decided with. `compileRouteTable` runs once per snapshot,
// `resolveRoute` once per call; both are pure.

import type { Endpoint } from "../discovery/registry.ts";
import type { HeaderChange } from "./discovery-chain.ts";
import type { MethodTraits } from "./snapshot.ts";

/** Where one call goes and under which rules. Shared by all calls that match the same route and split. */
export interface Route {
  readonly upstream: string;
  readonly service: string;
  /** The subset, or empty. */
  readonly subset: string;
  /** The caller's deadline is capped by this, milliseconds; Infinity for no cap. */
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Tries after the first, 0 for none. */
  readonly retries: number;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  /** For people: which rule and which leg it was, as `router quoter[1] > splitter quote-query 90% > v1`. */
  readonly explanation: string;
}

/** The endpoints a call may go to, in order of preference: a later target only when none before it is healthy. */
export interface Candidates {
  readonly targets: readonly { readonly id: string; readonly endpoints: readonly Endpoint[] }[];
  /** What is known of the call's method; undefined: nothing. */
  readonly traits: MethodTraits | undefined;
}
