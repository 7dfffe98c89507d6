// Which of a target's instances may get calls at all, by what the registry says of them. Consul's rule: critical never,
// warning unless the subset says OnlyPassing, weight 0 never. When nobody is left, nobody is dialed (no panic routing).

import type { Endpoint } from "../discovery/registry.ts";
import type { ChainTarget } from "./discovery-chain.ts";

export function isEligible(endpoint: Endpoint, target: ChainTarget): boolean {
  if (endpoint.weight <= 0 || endpoint.health === "critical") return false;
  return endpoint.health === "passing" || target.Subset?.OnlyPassing !== true;
}
