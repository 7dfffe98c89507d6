// What this sidecar knows of the methods of the services it calls, by service and deployed version. It learns in the
// background: a version that appears for the first time (or again) is asked by reflection at one of its instances, with
// backoff while that fails. No call ever waits for it; what is not known yet is not idempotent.
//
// The control part asks `methodsOf` whenever it compiles a snapshot and is told by `onMethods` when there is more to
// know. The gateway's reflection reads `known`.

import type { Clock, Timer } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { Status } from "../grpc/status.ts";
import { StatusError } from "../grpc/status-error.ts";
import type { DescriptorSource, KnownDescriptors } from "./descriptor-source.ts";
import { type MethodTable, mergeMethodTables, methodTraits } from "./method-traits.ts";
import type { Reflected } from "./reflect.ts";
import type { ReflectionTarget } from "./reflection-stream.ts";

export interface DescriptorCacheDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Asks one instance; reflect.ts in the process. */
  ask(target: ReflectionTarget): Promise<Reflected>;
  /** Whether the files themselves are kept: a gateway shows them to its clients, others only need the methods. */
  readonly keepsFiles: boolean;
  /** Told once for each version that cannot be learned for now, for the log. */
  onProblem?(service: string, version: string, detail: string): void;
}

/** A sidecar that calls more versions than this forgets the ones it saw longest ago. */
const maxVersions = 256;
/** So that a start of many services does not ask all at once. */
const maxAsking = 2;
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;
/** A server without reflection will hardly get it while it runs. */
const unimplementedRetryMs = 300_000;

interface Version {
  readonly service: string;
  readonly version: string;
  endpoints: readonly Endpoint[];
  known: KnownDescriptors | undefined;
  state: "wanted" | "asking" | "known" | "waiting";
  failures: number;
  timer: Timer | undefined;
}

export class DescriptorCache implements DescriptorSource {
  readonly #deps: DescriptorCacheDeps;
  readonly #versions = new Map<string, Version>();
  #listeners: ((service: string) => void)[] = [];
  #asking = 0;
  #isClosed = false;

  constructor(deps: DescriptorCacheDeps) {
    this.#deps = deps;
  }

  /** What is known now of these instances' methods; what is missing is learned later and told by `onMethods`. */
  methodsOf(endpoints: readonly Endpoint[]): MethodTable {
    const present = new Map<string, Endpoint[]>();
    for (const endpoint of endpoints) {
      const key = keyOf(endpoint.service, endpoint.version);
      const group = present.get(key);
      if (group === undefined) present.set(key, [endpoint]);
      else group.push(endpoint);
    }
    this.#markGone(endpoints, present);
    for (const [key, group] of present) this.#see(key, group);
    this.#askNext();
    const tables = [...present.keys()].map((key) => this.#versions.get(key)?.known?.methods);
    return mergeMethodTables(tables.filter((table) => table !== undefined));
  }

  onMethods(listener: (service: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Everything that is known of versions that have instances, the newest version of a service first. */
  known(): readonly KnownDescriptors[] {
    const known = [...this.#versions.values()].flatMap((version) =>
      version.known !== undefined && version.endpoints.length > 0 ? [version.known] : [],
    );
    return known.sort(
      (a, b) => a.service.localeCompare(b.service) || b.version.localeCompare(a.version, "en", { numeric: true }),
    );
  }

  close(): void {
    this.#isClosed = true;
    for (const version of this.#versions.values()) version.timer?.cancel();
    this.#listeners = [];
  }

  #see(key: string, endpoints: readonly Endpoint[]): void {
    const { service, version } = endpoints[0]!;
    const entry = this.#versions.get(key);
    if (entry === undefined) {
      const created: Version = {
        service,
        version,
        endpoints,
        known: undefined,
        state: "wanted",
        failures: 0,
        timer: undefined,
      };
      this.#forgetOldest();
      this.#versions.set(key, created);
      return;
    }
    // None of those we knew: the same label may stand for another build by now. The old answer serves until then.
    const isBack = !endpoints.some((endpoint) => entry.endpoints.some((other) => isSameInstance(endpoint, other)));
    entry.endpoints = endpoints;
    if (isBack && entry.state !== "asking") {
      entry.timer?.cancel();
      entry.state = "wanted";
      entry.failures = 0;
    }
  }

  /** Versions of the services asked about that have no instance any more. */
  #markGone(endpoints: readonly Endpoint[], present: ReadonlyMap<string, unknown>): void {
    const services = new Set(endpoints.map(({ service }) => service));
    for (const [key, entry] of this.#versions) {
      if (services.has(entry.service) && !present.has(key)) entry.endpoints = [];
    }
  }

  #forgetOldest(): void {
    if (this.#versions.size < maxVersions) return;
    for (const [key, entry] of this.#versions) {
      if (entry.endpoints.length > 0) continue;
      entry.timer?.cancel();
      this.#versions.delete(key);
      return;
    }
    const [first] = this.#versions.keys();
    this.#versions.get(first!)?.timer?.cancel();
    this.#versions.delete(first!);
  }

  #askNext(): void {
    for (const entry of this.#versions.values()) {
      if (this.#asking >= maxAsking || this.#isClosed) return;
      if (entry.state === "wanted" && entry.endpoints.length > 0) void this.#ask(entry);
    }
  }

  async #ask(entry: Version): Promise<void> {
    entry.state = "asking";
    this.#asking++;
    try {
      const { service, version } = entry;
      // Another instance after each failure: the first may be the one that is broken.
      const passing = entry.endpoints.filter(({ health }) => health === "passing");
      const choice = passing.length > 0 ? passing : entry.endpoints;
      const { host, port } = choice[entry.failures % choice.length]!;
      const reflected = await this.#deps.ask({ host, port, service });
      entry.known = {
        service,
        version,
        grpcServices: reflected.services,
        methods: methodTraits(reflected.summaries),
        files: this.#deps.keepsFiles ? reflected.files : [],
      };
      entry.state = "known";
      entry.failures = 0;
      if (!this.#isClosed) for (const listener of this.#listeners) listener(service);
    } catch (error) {
      this.#retryLater(entry, error);
    } finally {
      this.#asking--;
      this.#askNext();
    }
  }

  #retryLater(entry: Version, error: unknown): void {
    entry.state = "waiting";
    if (this.#isClosed) return;
    const hasNone = error instanceof StatusError && error.status === Status.UNIMPLEMENTED;
    const upTo = hasNone ? unimplementedRetryMs : Math.min(maxRetryMs, firstRetryMs * 2 ** entry.failures);
    entry.failures++;
    if (entry.failures === 1) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#deps.onProblem?.(entry.service, entry.version, hasNone ? "it has no server reflection" : detail);
    }
    entry.timer = this.#deps.clock.after(upTo * (0.5 + this.#deps.random() / 2), () => {
      entry.state = "wanted";
      this.#askNext();
    });
  }
}

function isSameInstance(a: Endpoint, b: Endpoint): boolean {
  return a.id === b.id && a.host === b.host && a.port === b.port;
}

function keyOf(service: string, version: string): string {
  return `${service}\n${version}`;
}
