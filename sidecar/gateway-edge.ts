// What a gateway's data part does beside routing: lets a call name a registered service in `:authority`, and answers
// health and reflection itself. Goes by facts that the control part hands over (gateway-routes.ts), as it does by
// snapshots. Everything per call stays in the layers.

import type { Call } from "./call.ts";
import type { KnownDescriptors } from "./descriptors/descriptor-source.ts";
import { answerLocally } from "./edge/edge.ts";
import { EdgeView } from "./edge/edge-view.ts";
import { serviceOfAuthority } from "./outbound/route.ts";
import type { RouteTable } from "./routing/route-table.ts";
import type { Layer } from "./stack.ts";

/** Plain data. */
export interface EdgeFacts {
  /** By registered service: its gRPC services. */
  readonly services: ReadonlyMap<string, readonly string[]>;
  readonly known: readonly KnownDescriptors[];
  readonly isDraining: boolean;
}

export const noEdgeFacts: EdgeFacts = { services: new Map(), known: [], isDraining: false };

export interface GatewayEdgeDeps {
  /** The virtual service, as `quoter`. */
  readonly service: string;
  /** Its table in force. */
  table(): RouteTable | undefined;
}

export class GatewayEdge {
  readonly #deps: GatewayEdgeDeps;
  readonly #view: EdgeView;
  #facts: EdgeFacts = noEdgeFacts;

  constructor(deps: GatewayEdgeDeps) {
    this.#deps = deps;
    this.#view = new EdgeView({
      table: () => deps.table(),
      descriptors: { known: () => this.#facts.known },
      grpcServices: () => this.#facts.services,
      isReady: () => !this.#facts.isDraining && deps.table() !== undefined,
      isDraining: () => this.#facts.isDraining,
    });
  }

  /** Puts the facts that changed in force; health watchers are told. */
  apply(facts: Partial<EdgeFacts>): void {
    this.#facts = { ...this.#facts, ...facts };
    this.#view.changed();
  }

  /** A snapshot came: health watchers are told. */
  changed(): void {
    this.#view.changed();
  }

  /** The virtual service, unless the authority is the name of a registered one. */
  upstreamOf(call: Call): string {
    const name = serviceOfAuthority(call.authority);
    return name !== undefined && this.#facts.services.has(name) ? name : this.#deps.service;
  }

  answerLocally(): Layer<Call> {
    return answerLocally({ health: this.#view, reflection: this.#view });
  }
}
