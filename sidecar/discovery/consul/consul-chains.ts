// Discovery chains from Consul: compiled and checked there, watched here, walked as they came. Used by the control part
// through ChainSource, as LocalChains are. Our own settings come by the same way: `ferry_*` of proxy-defaults Config,
// and of service-defaults Meta (in the chain for its own service; for services that it leads to by one watch of all
// service-defaults, which is only begun when a chain leads elsewhere).
//
// A Consul that comes back without its state (a dev agent, a wiped server) has no configuration, and nobody has decided
// that: what was in force stays so and is said, until somebody writes a configuration again.

import type { ChainView, ManagedChains } from "../../routing/chain-source.ts";
import type { DiscoveryChain } from "../../routing/discovery-chain.ts";
import type { ConsulWatches } from "./consul-watches.ts";
import { isWiped, type ReadChain, readChain } from "./read-chain.ts";

export interface ConsulChainsOptions {
  readonly watches: ConsulWatches;
  readonly signal: AbortSignal;
  /** What a gateway adds to the chain of its virtual service; `refresh` asks again. */
  extend?(chain: DiscoveryChain, chainOf: (service: string) => DiscoveryChain | undefined): DiscoveryChain;
  /** What Consul's configuration asks for and Ferry does not do; each sentence once. */
  onNotice(sentence: string): void;
}

type Meta = Readonly<Record<string, string>>;

interface Watch {
  readonly upstream: string;
  readonly onChange: (view: ChainView) => void;
  told: string;
}

export class ConsulChains implements ManagedChains {
  readonly #options: ConsulChainsOptions;
  readonly #watches = new Set<Watch>();
  /** By service; undefined until Consul has answered. */
  readonly #chains = new Map<string, ReadChain | undefined>();
  /** Services whose chain is one from before Consul lost its state. */
  readonly #kept = new Set<string>();
  readonly #noticed = new Set<string>();
  #globalConfig: Readonly<Record<string, unknown>> | undefined;
  #serviceMeta: ReadonlyMap<string, Meta> | undefined;
  /** The last that were not empty, for as long as chains are kept. */
  #lastConfig: Readonly<Record<string, unknown>> = {};
  #lastMeta: ReadonlyMap<string, Meta> = new Map();
  #isMetaWatched = false;

  constructor(options: ConsulChainsOptions) {
    this.#options = options;
    const thing = { path: "config/proxy-defaults/global", parse: configOf };
    options.watches.watch(
      thing,
      (config) => {
        this.#globalConfig = config;
        if (Object.keys(config).length > 0) this.#lastConfig = config;
        this.refresh();
      },
      options.signal,
    );
  }

  watchChain(upstream: string, onChange: (view: ChainView) => void, signal: AbortSignal): void {
    const watch: Watch = { upstream, onChange, told: "" };
    this.#watches.add(watch);
    signal.addEventListener("abort", () => this.#watches.delete(watch), { once: true });
    if (this.#chainOf(upstream) !== undefined) this.#tell(watch);
  }

  refresh(): void {
    for (const watch of this.#watches) this.#tell(watch);
  }

  /** Consul refuses what is wrong before it is in force; what is in force has no hash of ours. */
  get inForce() {
    return { hash: this.#kept.size === 0 ? "consul" : "consul (what it had before it lost its state)", rejected: [] };
  }

  /** Begins to watch it when it is new; its first answer refreshes everything. */
  #chainOf(service: string): DiscoveryChain | undefined {
    if (this.#chains.has(service)) return this.#chains.get(service)?.chain;
    this.#chains.set(service, undefined);
    this.#options.watches.watch(
      { path: `discovery-chain/${encodeURIComponent(service)}`, parse: readChain },
      (read) => this.#accept(service, read),
      this.#options.signal,
    );
    return undefined;
  }

  #accept(service: string, read: ReadChain): void {
    const before = this.#chains.get(service);
    if (before !== undefined && isWiped(before, read)) {
      if (this.#kept.size === 0) this.#options.onNotice(wipedNotice);
      this.#kept.add(service);
      this.refresh();
      return;
    }
    if (this.#kept.delete(service) && this.#kept.size === 0) this.#options.onNotice(filledNotice);
    for (const notice of read.notices) {
      if (this.#noticed.has(notice)) continue;
      this.#noticed.add(notice);
      this.#options.onNotice(notice);
    }
    this.#chains.set(service, read);
    this.refresh();
  }

  #tell(watch: Watch): void {
    const { upstream } = watch;
    const own = this.#chains.get(upstream)?.chain;
    if (own === undefined || this.#globalConfig === undefined) return;
    const isKept = this.#kept.size > 0;
    const isEmpty = Object.keys(this.#globalConfig).length === 0;
    const globalConfig = isKept && isEmpty ? this.#lastConfig : this.#globalConfig;
    const chain = this.#options.extend?.(own, (service) => this.#chainOf(service)) ?? own;
    if (Object.values(chain.Targets).some(({ Service }) => Service !== chain.ServiceName)) this.#watchMeta();
    // Settings that arrive a moment later would make calls behave in two ways.
    if (this.#isMetaWatched && this.#serviceMeta === undefined) return;
    const there = this.#serviceMeta ?? new Map<string, Meta>();
    const serviceMeta = isKept && there.size === 0 ? this.#lastMeta : there;
    const concerned = Object.values(chain.Targets).map(({ Service }) => serviceMeta.get(Service));
    const text = JSON.stringify([chain, globalConfig, concerned]);
    if (text === watch.told) return;
    watch.told = text;
    watch.onChange({ chain, globalConfig, serviceMeta });
  }

  #watchMeta(): void {
    if (this.#isMetaWatched) return;
    this.#isMetaWatched = true;
    this.#options.watches.watch(
      { path: "config/service-defaults", parse: metaOf },
      (meta) => {
        this.#serviceMeta = meta;
        if (meta.size > 0) this.#lastMeta = meta;
        this.refresh();
      },
      this.#options.signal,
    );
  }
}

const wipedNotice =
  "Consul came back without its configuration; what was in force stays so: run `ferry apply` to write it again";
const filledNotice = "Consul has a configuration again; it is in force";

/** An entry that nobody has written yet is an empty one. */
function configOf(body: unknown): Readonly<Record<string, unknown>> {
  return (body as { Config?: Record<string, unknown> | null } | undefined)?.Config ?? {};
}

function metaOf(body: unknown): ReadonlyMap<string, Meta> {
  if (!Array.isArray(body)) throw new Error("expected a list of service-defaults");
  const entries = body as { Name?: string; Meta?: Meta | null }[];
  return new Map(entries.map(({ Name = "", Meta }) => [Name, Meta ?? {}]));
}
