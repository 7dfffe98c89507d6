// Where discovery chains come from: compiled here from mesh-config/ in directory mode, or by Consul. The control part
// watches one chain for each upstream and never cares which it is.

import type { DiscoveryChain } from "./discovery-chain.ts";

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
