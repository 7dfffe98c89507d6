// The registry as a directory: one JSON file per instance, `<root>/<service>/<id>.json`, written whole (a temporary
// file and a rename). Needs no server; meant for one machine. Implements Registry; registry.suite.ts states what it
// does.
//
// An instance counts only while the sidecar that registered it runs: a killed one is gone within a second although its
// file stays. Nobody but the owner changes a file; leftovers of dead owners are removed at the next registration.

import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock, type Timer } from "../../../common/clock.ts";
import type { Endpoint, RegisteredInstance, Registration, RegistrationHandle, Registry } from "../registry.ts";
import { endpointOf, formatInstanceFile, type InstanceRecord, isName, registeredInstanceOf } from "./instance-file.ts";
import { isRunning, processStart } from "./process-identity.ts";
import { WatchedFolders } from "./watched-folders.ts";

export interface DirectoryRegistryOptions {
  /** As `<FERRY_HOME>/registry`; made when it is missing. */
  readonly root: string;
  readonly clock?: Clock;
  /** What an operator should know, one sentence each: unusable files, a taken instance id. */
  readonly onProblem?: (sentence: string) => void;
}

/** How often the owners of instances are looked at, and the folders where the kernel gave no notice. */
const lookMs = 1_000;

interface Watch {
  readonly tell: () => void;
}

export class DirectoryRegistry implements Registry {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #onProblem: (sentence: string) => void;
  readonly #folders: WatchedFolders;
  readonly #watches = new Set<Watch>();
  readonly #own = new Set<OwnInstance>();
  #firstLook: Promise<void> | undefined;
  #timer: Timer | undefined;
  #dead = "";
  #isClosed = false;
  #failedSince: number | undefined;

  constructor(options: DirectoryRegistryOptions) {
    this.#root = options.root;
    this.#clock = options.clock ?? systemClock;
    this.#onProblem = options.onProblem ?? (() => {});
    this.#folders = new WatchedFolders({
      root: this.#root,
      clock: this.#clock,
      onChange: () => this.#tellAll(),
      onProblem: this.#onProblem,
    });
  }

  /** Rejects when a name is not usable, or a running process holds the id. Starts as critical until told otherwise. */
  async register(registration: Registration): Promise<RegistrationHandle> {
    for (const name of [registration.service, registration.id]) {
      if (isName(name)) continue;
      throw new Error(
        `cannot register "${name}": a name has 1-63 of a-z, 0-9, ".", "_", "-" and begins with a-z or 0-9`,
      );
    }
    await this.#folders.refresh();
    await this.#removeDead(registration.service);
    const holder = this.#folders.folders.get(registration.service)?.records.get(registration.id);
    if (holder !== undefined && holder.registration.sidecarPid !== registration.sidecarPid) {
      const { sidecarPid } = holder.registration;
      throw new Error(`instance id ${registration.id} of ${registration.service} is taken by process ${sidecarPid}`);
    }
    const instance = new OwnInstance(this.#root, registration, () => this.#own.delete(instance));
    this.#own.add(instance);
    await instance.write();
    this.#schedule();
    return instance;
  }

  watchService(service: string, onChange: (endpoints: readonly Endpoint[]) => void, signal: AbortSignal): void {
    this.#addWatch(() => this.#recordsOf(service).map(endpointOf), onChange, signal);
  }

  watchServices(onChange: (services: ReadonlyMap<string, readonly string[]>) => void, signal: AbortSignal): void {
    const read = () =>
      [...this.#folders.folders.keys()]
        .sort()
        .map((service): [string, readonly string[]] => [service, grpcServicesOf(this.#recordsOf(service))])
        .filter(([service]) => this.#recordsOf(service).length > 0);
    this.#addWatch(read, (services) => onChange(new Map(services)), signal);
  }

  async listInstances(): Promise<readonly RegisteredInstance[]> {
    await this.#folders.refresh();
    if (this.#folders.failure !== undefined) throw new Error(this.#folders.failure);
    return [...this.#folders.folders.keys()]
      .sort()
      .flatMap((service) => this.#recordsOf(service).map(registeredInstanceOf));
  }

  status(): { readonly ok: boolean; readonly detail: string } {
    const { failure } = this.#folders;
    if (failure === undefined) return { ok: true, detail: `directory ${this.#root}` };
    const forMs = this.#failedSince === undefined ? 0 : this.#clock.nowMs() - this.#failedSince;
    return { ok: false, detail: `${failure} (for ${Math.round(forMs / 1_000)} s)` };
  }

  /** Stops watching. What is registered stays so: deregister first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#watches.clear();
    this.#folders.close();
    await this.#firstLook;
  }

  /** Instances whose owner runs, by id. */
  #recordsOf(service: string): readonly InstanceRecord[] {
    const records = this.#folders.folders.get(service)?.records ?? new Map<string, InstanceRecord>();
    return [...records.values()].filter(hasOwner);
  }

  #addWatch<T>(read: () => readonly T[], onChange: (value: readonly T[]) => void, signal: AbortSignal): void {
    if (signal.aborted || this.#isClosed) return;
    let last: string | undefined;
    const tell = () => {
      if (signal.aborted || this.#isClosed) return;
      const value = read();
      const text = JSON.stringify(value);
      if (text === last) return;
      last = text;
      onChange(value);
    };
    const watch = { tell };
    this.#watches.add(watch);
    signal.addEventListener("abort", () => this.#watches.delete(watch), { once: true });
    this.#firstLook ??= this.#folders.refresh();
    void this.#firstLook.then(tell);
    this.#schedule();
  }

  #tellAll(): void {
    for (const watch of [...this.#watches]) watch.tell();
  }

  #schedule(): void {
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = this.#clock.after(lookMs, () => void this.#lookAgain());
  }

  async #lookAgain(): Promise<void> {
    await this.#folders.refresh();
    this.#failedSince = this.#folders.failure === undefined ? undefined : (this.#failedSince ?? this.#clock.nowMs());
    for (const instance of [...this.#own]) await this.#heal(instance);
    const dead = this.#deadIds();
    if (dead !== this.#dead) {
      this.#dead = dead;
      this.#tellAll();
    }
    this.#timer = undefined;
    this.#schedule();
  }

  /** A file of ours that somebody removed is written again, as one registers again with a Consul that forgot it. */
  async #heal(instance: OwnInstance): Promise<void> {
    const { service, id, sidecarPid } = instance.registration;
    const found = this.#folders.folders.get(service)?.records.get(id);
    if (found === undefined) {
      await instance.write().catch((error: Error) => this.#onProblem(`cannot register ${id} again: ${error.message}`));
    } else if (found.registration.sidecarPid !== sidecarPid) {
      this.#own.delete(instance);
      this.#onProblem(`instance id ${id} of ${service} was taken over by process ${found.registration.sidecarPid}`);
    }
  }

  #deadIds(): string {
    const dead: string[] = [];
    for (const [service, { records }] of this.#folders.folders) {
      for (const [id, record] of records) if (!hasOwner(record)) dead.push(`${service}/${id}`);
    }
    return dead.join(" ");
  }

  async #removeDead(service: string): Promise<void> {
    for (const [id, record] of this.#folders.folders.get(service)?.records ?? []) {
      if (!hasOwner(record)) await rm(join(this.#root, service, `${id}.json`), { force: true });
    }
    await this.#folders.refresh();
  }
}

/** A registration that this process made. Its file is written in the order of the calls. */
class OwnInstance implements RegistrationHandle {
  readonly registration: Registration;
  readonly #root: string;
  readonly #onGone: () => void;
  readonly #sidecarStart: string;
  #health: InstanceRecord["health"] = "critical";
  #note = "no health check has passed yet";
  #maintenance: string | undefined;
  #isGone = false;
  #queue: Promise<void> = Promise.resolve();

  constructor(root: string, registration: Registration, onGone: () => void) {
    this.#root = root;
    this.registration = registration;
    this.#onGone = onGone;
    this.#sidecarStart = processStart(registration.sidecarPid);
  }

  async setHealth(health: InstanceRecord["health"], note: string): Promise<void> {
    if (health === this.#health && note === this.#note) return;
    this.#health = health;
    this.#note = note;
    await this.write();
  }

  async enterMaintenance(reason: string): Promise<void> {
    this.#maintenance = reason;
    await this.write();
  }

  async deregister(): Promise<void> {
    if (this.#isGone) return this.#queue;
    this.#isGone = true;
    this.#onGone();
    await this.#enqueue(() => rm(this.#path(), { force: true }));
  }

  /** Writes the file as things are when its turn comes; nothing after deregister. */
  async write(): Promise<void> {
    await this.#enqueue(async () => {
      if (this.#isGone) return;
      const { service, id } = this.registration;
      const folder = join(this.#root, service);
      await mkdir(folder, { recursive: true });
      // The leading dot keeps readers away from a file that is not whole.
      const temporary = join(folder, `.${id}.${randomUUID()}`);
      await writeFile(temporary, formatInstanceFile(this.#record()));
      await rename(temporary, this.#path());
    });
  }

  #record(): InstanceRecord {
    return {
      registration: this.registration,
      sidecarStart: this.#sidecarStart,
      health: this.#health,
      note: this.#note,
      maintenance: this.#maintenance,
    };
  }

  #path(): string {
    return join(this.#root, this.registration.service, `${this.registration.id}.json`);
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }
}

function hasOwner({ registration, sidecarStart }: InstanceRecord): boolean {
  return isRunning(registration.sidecarPid, sidecarStart);
}

/** What the instances state in meta, together; names that could not be gRPC services are left out. */
function grpcServicesOf(records: readonly InstanceRecord[]): readonly string[] {
  const stated = records.flatMap(({ registration }) => (registration.meta.ferry_grpc_services ?? "").split(","));
  const names = stated.map((name) => name.trim()).filter((name) => /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(name));
  return [...new Set(names)].sort();
}
