// The control side of a gateway: follows what is registered, adds routes for services that registered with their gRPC
// names to the chain of the virtual service, and tells the data part what its edge answers from (gateway-edge.ts).
// What a service stated outlives its last instance for a while (edge/departed-services.ts). Built by sidecar.ts in the
// gateway role; knows no call.

import { type Clock, systemClock, type Timer } from "../common/clock.ts";
import type { DescriptorSource, KnownDescriptors } from "./descriptors/descriptor-source.ts";
import type { Registry } from "./discovery/registry.ts";
import { nextForgottenAtMs, type RememberedServices, rememberServices } from "./edge/departed-services.ts";
import { type EdgeFacts, noEdgeFacts } from "./gateway-edge.ts";
import type { DiscoveryChain } from "./routing/discovery-chain.ts";
import { addEdgeRoutes } from "./routing/edge-routes.ts";

export interface GatewayRoutesDeps {
  /** The virtual service, as `quoter`. */
  readonly service: string;
  readonly descriptors: Pick<DescriptorSource, "known">;
  /** Hands the facts that changed to the data part. */
  tell(facts: Partial<EdgeFacts>): void;
  /** Default: the system's. */
  readonly clock?: Clock;
}

export class GatewayRoutes {
  readonly #deps: GatewayRoutesDeps;
  #remembered: RememberedServices = new Map();
  #services = noEdgeFacts.services;
  #forgetting: Timer | undefined = undefined;
  #known = noEdgeFacts.known;

  constructor(deps: GatewayRoutesDeps) {
    this.#deps = deps;
  }

  /** Follows what is registered; `onRoutes` when the chain must be extended anew. */
  watch(registry: Registry, onRoutes: () => void, signal: AbortSignal): void {
    let present: ReadonlyMap<string, readonly string[]> = new Map();
    const remember = () => {
      this.#remember(present, remember);
      onRoutes();
      this.#deps.tell({ services: this.#services });
    };
    registry.watchServices((services) => {
      present = services;
      remember();
    }, signal);
    signal.addEventListener("abort", () => this.#forgetting?.cancel(), { once: true });
  }

  /** `again` is called when the next service is to be forgotten. */
  #remember(present: ReadonlyMap<string, readonly string[]>, again: () => void): void {
    const { clock = systemClock } = this.#deps;
    const nowMs = clock.nowMs();
    this.#remembered = rememberServices(this.#remembered, present, nowMs);
    this.#services = new Map([...this.#remembered].map(([service, { names }]) => [service, names]));
    this.#forgetting?.cancel();
    const atMs = nextForgottenAtMs(this.#remembered);
    this.#forgetting = atMs === undefined ? undefined : clock.after(atMs - nowMs, again);
  }

  /** The descriptors, or which of them have instances, may have changed. They are large: told only when they did. */
  descriptorsChanged(): void {
    const known = this.#deps.descriptors.known();
    if (isSame(known, this.#known)) return;
    this.#known = known;
    this.#deps.tell({ known });
  }

  draining(): void {
    this.#deps.tell({ isDraining: true });
  }

  /** For the chain source: the virtual service's chain with routes for what is registered; other chains as they are. */
  extend(chain: DiscoveryChain, chainOf: (service: string) => DiscoveryChain | undefined): DiscoveryChain {
    if (chain.ServiceName !== this.#deps.service) return chain;
    return addEdgeRoutes({ chain, services: this.#services, chainOf });
  }
}

function isSame(a: readonly KnownDescriptors[], b: readonly KnownDescriptors[]): boolean {
  return a.length === b.length && a.every((known, at) => known === b[at]);
}
