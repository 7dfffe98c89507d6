// Discovery chains from Consul: compiled and checked there, watched here, walked as they came. Used by the control part
// through ChainSource, as LocalChains are. Our own settings come by the same way: `ferry_*` of proxy-defaults Config,
// and of service-defaults Meta (in the chain for its own service; for services that it leads to by one watch of all
// service-defaults, which is only begun when a chain leads elsewhere).

import type { ChainView, ManagedChains } from "../../routing/chain-source.ts";
import type { DiscoveryChain } from "../../routing/discovery-chain.ts";
import type { ConsulWatches } from "./consul-watches.ts";
import { type ReadChain, readChain } from "./read-chain.ts";

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
  readonly #chains = new Map<string, DiscoveryChain | undefined>();
  readonly #noticed = new Set<string>();
  #globalConfig: Readonly<Record<string, unknown>> | undefined;
  #serviceMeta: ReadonlyMap<string, Meta> | undefined;
  #isMetaWatched = false;

  constructor(options: ConsulChainsOptions) {
    this.#options = options;
    const thing = { path: "config/proxy-defaults/global", parse: configOf };
    options.watches.watch(
      thing,
      (config) => {
        this.#globalConfig = config;
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
  readonly inForce = { hash: "consul", rejected: [] };

  /** Begins to watch it when it is new; its first answer refreshes everything. */
  #chainOf(service: string): DiscoveryChain | undefined {
    if (this.#chains.has(service)) return this.#chains.get(service);
    this.#chains.set(service, undefined);
    this.#options.watches.watch(
      { path: `discovery-chain/${encodeURIComponent(service)}`, parse: readChain },
      (read) => this.#accept(service, read),
      this.#options.signal,
    );
    return undefined;
  }

  #accept(service: string, { chain, notices }: ReadChain): void {
    for (const notice of notices) {
      if (this.#noticed.has(notice)) continue;
      this.#noticed.add(notice);
      this.#options.onNotice(notice);
    }
    this.#chains.set(service, chain);
    this.refresh();
  }

  #tell(watch: Watch): void {
    const { upstream } = watch;
    const own = this.#chains.get(upstream);
    if (own === undefined || this.#globalConfig === undefined) return;
    const chain = this.#options.extend?.(own, (service) => this.#chainOf(service)) ?? own;
    if (Object.values(chain.Targets).some(({ Service }) => Service !== chain.ServiceName)) this.#watchMeta();
    // Settings that arrive a moment later would make calls behave in two ways.
    if (this.#isMetaWatched && this.#serviceMeta === undefined) return;
    const serviceMeta = this.#serviceMeta ?? new Map<string, Meta>();
    const concerned = Object.values(chain.Targets).map(({ Service }) => serviceMeta.get(Service));
    const text = JSON.stringify([chain, this.#globalConfig, concerned]);
    if (text === watch.told) return;
    watch.told = text;
    watch.onChange({ chain, globalConfig: this.#globalConfig, serviceMeta });
  }

  #watchMeta(): void {
    if (this.#isMetaWatched) return;
    this.#isMetaWatched = true;
    this.#options.watches.watch(
      { path: "config/service-defaults", parse: metaOf },
      (meta) => {
        this.#serviceMeta = meta;
        this.refresh();
      },
      this.#options.signal,
    );
  }
}

/** An entry that nobody has written yet is an empty one. */
function configOf(body: unknown): Readonly<Record<string, unknown>> {
  return (body as { Config?: Record<string, unknown> | null } | undefined)?.Config ?? {};
}

function metaOf(body: unknown): ReadonlyMap<string, Meta> {
  if (!Array.isArray(body)) throw new Error("expected a list of service-defaults");
  const entries = body as { Name?: string; Meta?: Meta | null }[];
  return new Map(entries.map(({ Name = "", Meta }) => [Name, Meta ?? {}]));
}
