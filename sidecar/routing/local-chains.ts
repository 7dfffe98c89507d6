// Discovery chains in directory mode: compiled here from mesh-config/, again after every accepted change. Used by the
// control part through ChainSource, as Consul's chains are.

import type { Clock } from "../../common/clock.ts";
import type { ChainView, ManagedChains } from "./chain-source.ts";
import type { DiscoveryChain } from "./discovery-chain.ts";
import { compileChain } from "./local-compiler.ts";
import { globalConfigOf, serviceMetaOf } from "./mesh-config/mesh-config.ts";
import { type MeshConfigState, watchMeshConfig } from "./mesh-config/watch-mesh-config.ts";

export interface LocalChainsOptions {
  /** As `mesh-config`. */
  readonly dir: string;
  /** As `<FERRY_HOME>/mesh-config.last-good.json`. */
  readonly lastGoodFile: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What a gateway adds to the chain of its virtual service; `refresh` compiles again. */
  extend?(chain: DiscoveryChain, chainOf: (service: string) => DiscoveryChain | undefined): DiscoveryChain;
  /** Told of the state at the start and after every change, to log and to show. */
  onState(state: MeshConfigState): void;
}

interface Watch {
  readonly upstream: string;
  readonly onChange: (view: ChainView) => void;
  /** What was told last, so that an edit that does not concern this chain tells nobody. */
  told: string;
}

export class LocalChains implements ManagedChains {
  readonly #options: LocalChainsOptions;
  readonly #watches = new Set<Watch>();
  #state: MeshConfigState;

  private constructor(options: LocalChainsOptions, state: MeshConfigState) {
    this.#options = options;
    this.#state = state;
  }

  /** Resolves with the first configuration in force; never rejects for what stands in the files. */
  static async start(options: LocalChainsOptions): Promise<LocalChains> {
    let chains: LocalChains | undefined;
    const state = await watchMeshConfig({
      dir: options.dir,
      lastGoodFile: options.lastGoodFile,
      clock: options.clock,
      signal: options.signal,
      onChange: (next) => chains?.accept(next),
    });
    chains = new LocalChains(options, state);
    options.onState(state);
    return chains;
  }

  get inForce(): ManagedChains["inForce"] {
    const { config, rejected } = this.#state;
    return { hash: config.hash, rejected };
  }

  watchChain(upstream: string, onChange: (view: ChainView) => void, signal: AbortSignal): void {
    const watch: Watch = { upstream, onChange, told: "" };
    this.#watches.add(watch);
    signal.addEventListener("abort", () => this.#watches.delete(watch), { once: true });
    this.#tell(watch);
  }

  /** Compiles every chain again: something that `extend` reads has changed. */
  refresh(): void {
    for (const watch of this.#watches) this.#tell(watch);
  }

  /** Puts a new state in force. */
  accept(state: MeshConfigState): void {
    this.#state = state;
    this.#options.onState(state);
    this.refresh();
  }

  #tell(watch: Watch): void {
    const { config } = this.#state;
    const compiled = compileChain(config.set, watch.upstream);
    // The set was checked as a whole, so what does not compile is not about this set: the last chain stays in force.
    if (!compiled.ok) return;
    const chain = this.#options.extend?.(compiled.chain, (service) => this.#chainOf(service)) ?? compiled.chain;
    const view = { chain, globalConfig: globalConfigOf(config), serviceMeta: serviceMetaOf(config) };
    const text = JSON.stringify([chain, view.globalConfig, [...view.serviceMeta]]);
    if (text === watch.told) return;
    watch.told = text;
    watch.onChange(view);
  }
  #chainOf(service: string): DiscoveryChain | undefined {
    const compiled = compileChain(this.#state.config.set, service);
    return compiled.ok ? compiled.chain : undefined;
  }
}
