// Where discovery chains come from: compiled here from mesh-config/ in directory mode, or by Consul. The control part
// watches one chain for each upstream and never cares which it is.

import type { DiscoveryChain } from "./discovery-chain.ts";
import type { Problem } from "./mesh-config/problem.ts";

/** A chain with what our own settings (`ferry_*`) are read from. */
export interface ChainView {
  readonly chain: DiscoveryChain;
  /** proxy-defaults.Config. */
  readonly globalConfig: Readonly<Record<string, unknown>>;
  /** service-defaults.Meta, by service. */
  readonly serviceMeta: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

export interface ChainSource {
  /** The chain of `upstream` now and after every change until `signal` aborts. A mistake never replaces a good one. */
  watchChain(upstream: string, onChange: (view: ChainView) => void, signal: AbortSignal): void;
}

/** What the composition root holds: a source whose gateway can have chains extended anew, and that can be shown. */
export interface ManagedChains extends ChainSource {
  /** Tells every chain again that is not as it was: something that a gateway's routes depend on has changed. */
  refresh(): void;
  /** The configuration in force, for operators. */
  readonly inForce: { readonly hash: string; readonly rejected: readonly Problem[] };
}
