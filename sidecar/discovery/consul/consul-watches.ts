// All watches of a process on Consul: one for each thing, whoever and how many ask for it, each with one connection
// while it is blocked. The agent lets one client address hold 200 connections, and all sidecars of a host share it: so
// they are counted, and behind `maxBlocked` a watch polls instead. Knows since when Consul is away.

import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { ConsulClient } from "./consul-client.ts";
import { type WatchedThing, watchQuery } from "./watched-query.ts";

export interface ConsulWatchesOptions {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Blocked queries at once; default 40, so that several processes of a host fit into the agent's 200. */
  readonly maxBlocked?: number;
  /** One sentence when Consul goes away or refuses, one when it is back. */
  readonly onProblem: (sentence: string) => void;
}

interface Watch {
  readonly abort: AbortController;
  readonly listeners: Set<(value: unknown) => void>;
  last: { readonly value: unknown } | undefined;
  trouble: string | undefined;
}

const defaultMaxBlocked = 40;

export class ConsulWatches {
  readonly #options: ConsulWatchesOptions;
  readonly #watches = new Map<string, Watch>();
  #troubleSinceMs: number | undefined;
  #outages = 0;
  #isClosed = false;

  constructor(options: ConsulWatchesOptions) {
    this.#options = options;
  }

  /** How many things are watched now. */
  get count(): number {
    return this.#watches.size;
  }

  /** How often a watch began to fail: as long as it does not grow, the agent has been there all the time. */
  get outages(): number {
    return this.#outages;
  }

  /** Why Consul cannot be asked and since how long; undefined when all is well. */
  get trouble(): string | undefined {
    const why = [...this.#watches.values()].find(({ trouble }) => trouble !== undefined)?.trouble;
    if (why === undefined || this.#troubleSinceMs === undefined) return undefined;
    const seconds = Math.round((this.#options.clock.nowMs() - this.#troubleSinceMs) / 1_000);
    return `${why} (for ${seconds} s; the last good state stays in force)`;
  }

  /**
   * Tells the thing's value now and after every change until `signal` aborts. Things with the same path and query share
   * one watch, so they must be read alike.
   */
  watch<T>(thing: WatchedThing<T>, onValue: (value: T) => void, signal: AbortSignal): void {
    if (signal.aborted || this.#isClosed) return;
    const key = `${thing.path}?${new URLSearchParams(thing.query).toString()}`;
    const listener = onValue as (value: unknown) => void;
    const watch = this.#watches.get(key) ?? this.#begin(key, thing);
    watch.listeners.add(listener);
    signal.addEventListener(
      "abort",
      () => {
        watch.listeners.delete(listener);
        if (watch.listeners.size > 0 || this.#watches.get(key) !== watch) return;
        this.#watches.delete(key);
        watch.abort.abort();
        this.#noteTrouble();
      },
      { once: true },
    );
    const { last } = watch;
    if (last !== undefined) queueMicrotask(() => watch.listeners.has(listener) && listener(last.value));
  }

  close(): void {
    this.#isClosed = true;
    for (const { abort, listeners } of this.#watches.values()) {
      listeners.clear();
      abort.abort();
    }
    this.#watches.clear();
  }

  #begin<T>(key: string, thing: WatchedThing<T>): Watch {
    const watch: Watch = { abort: new AbortController(), listeners: new Set(), last: undefined, trouble: undefined };
    this.#watches.set(key, watch);
    const { client, clock, random, maxBlocked = defaultMaxBlocked } = this.#options;
    const deps = {
      ...{ client, clock, random },
      mayBlock: () => [...this.#watches.keys()].indexOf(key) < maxBlocked,
      onTrouble: (sentence: string | undefined) => {
        if (sentence !== undefined && watch.trouble === undefined) this.#outages++;
        watch.trouble = sentence;
        this.#noteTrouble();
      },
    };
    const onValue = (value: T) => {
      watch.last = { value };
      for (const listener of [...watch.listeners]) listener(value);
    };
    void watchQuery(thing, deps, onValue, watch.abort.signal);
    return watch;
  }

  /** Says it once when it begins and once when it ends, whatever the number of watches. */
  #noteTrouble(): void {
    if (this.#isClosed) return;
    const why = [...this.#watches.values()].find(({ trouble }) => trouble !== undefined)?.trouble;
    const { clock, client, onProblem } = this.#options;
    if (why !== undefined && this.#troubleSinceMs === undefined) {
      this.#troubleSinceMs = clock.nowMs();
      onProblem(`${why}; the last good state stays in force`);
    } else if (why === undefined && this.#troubleSinceMs !== undefined) {
      const seconds = Math.round((clock.nowMs() - this.#troubleSinceMs) / 1_000);
      this.#troubleSinceMs = undefined;
      onProblem(`${client.name} answers again after ${seconds} s`);
    }
  }
}
