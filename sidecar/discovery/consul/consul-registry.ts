// The registry in Consul: instances are services with a sidecar (`connect-proxy`) at the local agent, endpoints come
// from /v1/health/connect. Implements Registry; registry.suite.ts states what it does.
//
// All instances of a service are fetched, healthy or not, and divided by subset here (compile-snapshot.ts), as Envoy
// does with health: one watch for each service instead of one for each target, and a filter that Consul cannot evaluate
// (it accepts any on write) costs its subset only, not the service.

import type { Clock } from "../../../common/clock.ts";
import type { Endpoint, RegisteredInstance, Registration, RegistrationHandle, Registry } from "../registry.ts";
import { endpointsOf, grpcServicesOf } from "./catalog-entry.ts";
import type { ConsulClient } from "./consul-client.ts";
import { ConsulInstance } from "./consul-instance.ts";
import type { ConsulWatches } from "./consul-watches.ts";

export interface ConsulRegistryOptions {
  readonly client: ConsulClient;
  /** Shared with the chains: one for each process. */
  readonly watches: ConsulWatches;
  readonly clock: Clock;
  readonly onProblem: (sentence: string) => void;
  /** Instances that are registered here get a gRPC check by the agent as well. Default false. */
  readonly hasGrpcCheck?: boolean;
}

type Services = ReadonlyMap<string, readonly string[]>;

export class ConsulRegistry implements Registry {
  readonly #options: ConsulRegistryOptions;
  readonly #own = new Set<ConsulInstance>();

  constructor(options: ConsulRegistryOptions) {
    this.#options = options;
  }

  /** Rejects with Consul's words when it does not take it. */
  async register(registration: Registration): Promise<RegistrationHandle> {
    const instance = new ConsulInstance(registration, this.#options);
    await instance.begin();
    this.#own.add(instance);
    return instance;
  }

  watchService(service: string, onChange: (endpoints: readonly Endpoint[]) => void, signal: AbortSignal): void {
    const thing = {
      path: `health/connect/${encodeURIComponent(service)}`,
      parse: (body: unknown) => endpointsOf(body, service),
      isGuarded: true,
      isLoss: hasLost,
    };
    this.#options.watches.watch(thing, tellChanges(onChange, JSON.stringify), signal);
  }

  watchServices(onChange: (services: Services) => void, signal: AbortSignal): void {
    const thing = { path: "catalog/services", parse: servicesOf };
    this.#options.watches.watch(
      thing,
      tellChanges(onChange, (services) => JSON.stringify([...services])),
      signal,
    );
  }

  async listInstances(): Promise<readonly RegisteredInstance[]> {
    const { listConsulInstances } = await import("./list-instances.ts");
    return listConsulInstances(this.#options.client);
  }

  status(): { readonly ok: boolean; readonly detail: string } {
    const { client, watches } = this.#options;
    const { trouble } = watches;
    if (trouble !== undefined) return { ok: false, detail: trouble };
    return { ok: true, detail: `${client.name}, ${watches.count} watches, ${client.connections} connections` };
  }

  /** Stops watching. What is registered stays so: deregister first. */
  async close(): Promise<void> {
    for (const instance of this.#own) instance.close();
    this.#options.watches.close();
    this.#options.client.close();
  }
}

/** Whether anybody who could be dialed no longer can: one instance may be all that a subset has. */
function hasLost(before: readonly Endpoint[], after: readonly Endpoint[]): boolean {
  const left = new Set(after.filter(mayBeDialed).map(({ id }) => id));
  return before.some((endpoint) => mayBeDialed(endpoint) && !left.has(endpoint.id));
}

function mayBeDialed({ health, weight }: Endpoint): boolean {
  return health !== "critical" && weight > 0;
}

/** Replies differ in what nobody asked for (indexes, outputs of checks): only what counts is told. */
function tellChanges<T>(onChange: (value: T) => void, textOf: (value: T) => string): (value: T) => void {
  let told: string | undefined;
  return (value) => {
    const text = textOf(value);
    if (text === told) return;
    told = text;
    onChange(value);
  };
}

/** /v1/catalog/services: tags by name. Consul itself and the sidecars' own names are no services to call. */
function servicesOf(body: unknown): Services {
  if (typeof body !== "object" || body === null) throw new Error("expected services with their tags");
  const names = Object.entries(body as Record<string, readonly string[] | null>)
    .filter(([name]) => name !== "consul" && !name.endsWith("-sidecar-proxy"))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(names.map(([name, tags]) => [name, grpcServicesOf(tags ?? [])]));
}
