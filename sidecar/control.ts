// The control part: watches chains, instances and methods, and hands the data part one whole Snapshot for an upstream
// whenever something of it changed. Knows nothing of calls. One of it serves all workers of a sidecar.

import type { DescriptorSource } from "./descriptors/descriptor-source.ts";
import type { Endpoint, Registry } from "./discovery/registry.ts";
import type { ChainSource, ChainView } from "./routing/chain-source.ts";
import { compileSnapshot, servicePolicy } from "./routing/compile-snapshot.ts";
import type { ServicePolicy } from "./routing/policy/call-policy.ts";
import { servicesOf } from "./routing/route-leg.ts";
import type { Snapshot } from "./routing/snapshot.ts";

export interface ControlDeps {
  readonly registry: Registry;
  readonly chains: ChainSource;
  readonly methods: Pick<DescriptorSource, "methodsOf" | "onMethods">;
  /** Hands a snapshot to the data part. */
  apply(snapshot: Snapshot): void;
}

/** How many upstreams a sidecar watches at the most: callers name them, and each costs memory and watches. */
const maxUpstreams = 1_000;

interface WatchedUpstream {
  readonly name: string;
  revision: number;
  view: ChainView | undefined;
  services: readonly string[];
  isDue: boolean;
}

interface WatchedService {
  readonly abort: AbortController;
  endpoints: readonly Endpoint[] | undefined;
}

export class Control {
  readonly #deps: ControlDeps;
  readonly #abort = new AbortController();
  readonly #upstreams = new Map<string, WatchedUpstream>();
  readonly #services = new Map<string, WatchedService>();

  constructor(deps: ControlDeps) {
    this.#deps = deps;
    deps.methods.onMethods((service) => this.#changed((upstream) => upstream.services.includes(service)));
  }

  /** Begins to watch an upstream; again does nothing. Its first snapshot follows when all of it is known. */
  want(name: string): void {
    if (this.#upstreams.has(name) || this.#upstreams.size >= maxUpstreams || this.#abort.signal.aborted) return;
    const upstream: WatchedUpstream = { name, revision: 0, view: undefined, services: [], isDue: false };
    this.#upstreams.set(name, upstream);
    this.#deps.chains.watchChain(name, (view) => this.#onChain(upstream, view), this.#abort.signal);
  }

  /** Tells what the settings of `service` say, when they are known and after every change of its chain. */
  watchPolicy(service: string, onChange: (policy: ServicePolicy) => void): void {
    this.#deps.chains.watchChain(service, (view) => onChange(servicePolicy(view, service)), this.#abort.signal);
  }

  /** Ends every watch. */
  close(): void {
    this.#abort.abort();
    for (const service of this.#services.values()) service.abort.abort();
    this.#services.clear();
  }

  #onChain(upstream: WatchedUpstream, view: ChainView): void {
    upstream.view = view;
    upstream.services = servicesOf(view.chain);
    for (const service of upstream.services) this.#watchService(service);
    this.#forgetServices();
    this.#schedule(upstream);
  }

  #watchService(name: string): void {
    if (this.#services.has(name)) return;
    const service: WatchedService = { abort: new AbortController(), endpoints: undefined };
    this.#services.set(name, service);
    this.#deps.registry.watchService(
      name,
      (endpoints) => {
        service.endpoints = endpoints;
        this.#changed((upstream) => upstream.services.includes(name));
      },
      service.abort.signal,
    );
  }

  #forgetServices(): void {
    const used = new Set([...this.#upstreams.values()].flatMap((upstream) => upstream.services));
    for (const [name, service] of this.#services) {
      if (used.has(name)) continue;
      service.abort.abort();
      this.#services.delete(name);
    }
  }

  #changed(concerns: (upstream: WatchedUpstream) => boolean): void {
    for (const upstream of this.#upstreams.values()) if (concerns(upstream)) this.#schedule(upstream);
  }

  /** Several changes of one moment make one snapshot. */
  #schedule(upstream: WatchedUpstream): void {
    if (upstream.isDue) return;
    upstream.isDue = true;
    queueMicrotask(() => {
      upstream.isDue = false;
      this.#publish(upstream);
    });
  }

  #publish(upstream: WatchedUpstream): void {
    const { view } = upstream;
    if (view === undefined || this.#abort.signal.aborted) return;
    const instances = new Map<string, readonly Endpoint[]>();
    for (const name of upstream.services) {
      const endpoints = this.#services.get(name)?.endpoints;
      // Half a picture would send calls away that have a place to go: wait until every service has answered once.
      if (endpoints === undefined) return;
      instances.set(name, endpoints);
    }
    const methods = this.#deps.methods.methodsOf([...instances.values()].flat());
    upstream.revision++;
    const { chain, globalConfig, serviceMeta } = view;
    const { name, revision } = upstream;
    this.#deps.apply(
      compileSnapshot({ upstream: name, revision, chain, instances, methods, globalConfig, serviceMeta }),
    );
  }
}
