// What makes a sidecar a gateway: it follows one virtual service's router, adds routes for services that registered
// with their gRPC names, lets a call name a registered service in `:authority`, and answers health and reflection
// itself. What a service stated outlives its last instance for a while (edge/departed-services.ts). Built by sidecar.ts
// in the gateway role; everything per call stays in the layers.

import { type Clock, systemClock, type Timer } from "../common/clock.ts";
import type { Call } from "./call.ts";
import type { DescriptorSource } from "./descriptors/descriptor-source.ts";
import type { Registry } from "./discovery/registry.ts";
import { nextForgottenAtMs, type RememberedServices, rememberServices } from "./edge/departed-services.ts";
import { answerLocally } from "./edge/edge.ts";
import { EdgeView } from "./edge/edge-view.ts";
import { serviceOfAuthority } from "./outbound/route.ts";
import type { DiscoveryChain } from "./routing/discovery-chain.ts";
import { addEdgeRoutes } from "./routing/edge-routes.ts";
import type { RouteTable } from "./routing/route-table.ts";
import type { Layer } from "./stack.ts";

export interface GatewayEdgeDeps {
  /** The virtual service, as `quoter`. */
  readonly service: string;
  readonly descriptors: Pick<DescriptorSource, "known">;
  table(): RouteTable | undefined;
  isReady(): boolean;
  isDraining(): boolean;
  /** Default: the system's. */
  readonly clock?: Clock;
}

export class GatewayEdge {
  readonly #deps: GatewayEdgeDeps;
  readonly #view: EdgeView;
  #remembered: RememberedServices = new Map();
  #services: ReadonlyMap<string, readonly string[]> = new Map();
  #forgetting: Timer | undefined;

  constructor(deps: GatewayEdgeDeps) {
    this.#deps = deps;
    this.#view = new EdgeView({
      table: () => deps.table(),
      descriptors: deps.descriptors,
      grpcServices: () => this.#services,
      isReady: () => deps.isReady(),
      isDraining: () => deps.isDraining(),
    });
  }

  /** Follows what is registered; `onRoutes` when the chain must be extended anew. */
  watch(registry: Registry, onRoutes: () => void, signal: AbortSignal): void {
    let present: ReadonlyMap<string, readonly string[]> = new Map();
    const remember = () => {
      this.#remember(present, remember);
      onRoutes();
      this.#view.changed();
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

  /** A snapshot, the descriptors or readiness changed: health watchers are told. */
  changed(): void {
    this.#view.changed();
  }

  /** For the chain source: the virtual service's chain with routes for what is registered; other chains as they are. */
  extend(chain: DiscoveryChain, chainOf: (service: string) => DiscoveryChain | undefined): DiscoveryChain {
    if (chain.ServiceName !== this.#deps.service) return chain;
    return addEdgeRoutes({ chain, services: this.#services, chainOf });
  }

  /** The virtual service, unless the authority is the name of a registered one. */
  upstreamOf(call: Call): string {
    const name = serviceOfAuthority(call.authority);
    return name !== undefined && this.#services.has(name) ? name : this.#deps.service;
  }

  answerLocally(): Layer<Call> {
    return answerLocally({ health: this.#view, reflection: this.#view });
  }
}
