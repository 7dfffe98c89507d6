// What the gateway's own answers are made from: which gRPC services its routes lead to, whether they have a healthy
// endpoint, and their files. Reads the route table in force, the registry's names and the descriptors; the composition
// root calls `changed` after any of them changed. Never on the path of a routed call.

import type { DescriptorSource, KnownDescriptors } from "../descriptors/descriptor-source.ts";
import { type RouteDecision, type RouteTable, resolveRoute } from "../routing/route-table.ts";
import type { EdgeHealthSource } from "./edge-health.ts";
import type { EdgeReflectionSource, ReachableFiles } from "./edge-reflection.ts";

export interface EdgeViewDeps {
  /** The table of the gateway's virtual service; undefined before the first. */
  table(): RouteTable | undefined;
  readonly descriptors: Pick<DescriptorSource, "known">;
  /** By service: the gRPC services that its instances have registered (Registry.watchServices). */
  grpcServices(): ReadonlyMap<string, readonly string[]>;
  /** The gateway takes calls. */
  isReady(): boolean;
  /** The gateway ends. Default: never. */
  isDraining?(): boolean;
}

export class EdgeView implements EdgeHealthSource, EdgeReflectionSource {
  readonly #deps: EdgeViewDeps;
  readonly #listeners = new Set<() => void>();
  #routed: ReadonlyMap<string, RouteDecision> | undefined;
  #reachable: readonly ReachableFiles[] | undefined;

  constructor(deps: EdgeViewDeps) {
    this.#deps = deps;
  }

  /** Snapshot, registry, descriptors or readiness changed: forget what was worked out, tell who watches. */
  changed(): void {
    this.#routed = undefined;
    this.#reachable = undefined;
    for (const listener of this.#listeners) listener();
  }

  isReady(): boolean {
    return this.#deps.isReady();
  }

  isDraining(): boolean {
    return this.#deps.isDraining?.() ?? false;
  }

  services(): readonly string[] {
    return [...this.#routedServices().keys()];
  }

  isServing(grpcService: string): boolean | undefined {
    const decision = this.#routedServices().get(grpcService);
    return decision?.candidates.targets.some(({ endpoints }) => endpoints.length > 0);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reachable(): readonly ReachableFiles[] {
    this.#reachable ??= this.#deps.descriptors.known().flatMap((known) => {
      const services = known.grpcServices.filter((name) => this.#leadsTo(name, known.service));
      return services.length === 0 ? [] : [{ services, files: known.files }];
    });
    return this.#reachable;
  }

  #leadsTo(grpcService: string, service: string): boolean {
    const route = this.#routedServices().get(grpcService)?.route;
    return route !== undefined && (service === "" || route.service === service);
  }

  #routedServices(): ReadonlyMap<string, RouteDecision> {
    this.#routed ??= routedServices(this.#deps.table(), this.#deps.grpcServices(), this.#deps.descriptors.known());
    return this.#routed;
  }
}

/** The gRPC services, by name and sorted, whose calls the table sends to a service that has them. Pure. */
export function routedServices(
  table: RouteTable | undefined,
  registered: ReadonlyMap<string, readonly string[]>,
  known: readonly KnownDescriptors[],
): ReadonlyMap<string, RouteDecision> {
  const routed = new Map<string, RouteDecision>();
  if (table === undefined) return routed;
  const owners = new Map<string, Set<string>>();
  const add = (grpcService: string, service: string) => {
    owners.set(grpcService, (owners.get(grpcService) ?? new Set()).add(service));
  };
  for (const [service, names] of registered) for (const name of names) add(name, service);
  for (const { service, grpcServices } of known) for (const name of grpcServices) add(name, service);
  for (const [name, services] of [...owners].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const decision = decide(table, name);
    if (decision === undefined) continue;
    // A router's last resort, the virtual service itself, takes every path; only who has the service counts.
    const { service } = decision.route;
    if (services.has(service) || (services.has("") && service !== table.upstream)) routed.set(name, decision);
  }
  return routed;
}

/** Where a call of the service goes that brings nothing to match but its path. */
function decide(table: RouteTable, grpcService: string): RouteDecision | undefined {
  const always = () => 0;
  const prefix = `/${grpcService}/`;
  const decision = resolveRoute(table, prefix, [], always);
  if (decision !== undefined) return decision;
  // Routes may name whole paths only.
  const path = [...table.methods.keys()].find((one) => one.startsWith(prefix));
  return path === undefined ? undefined : resolveRoute(table, path, [], always);
}
