// Keeps what the folders of the directory registry hold in memory, fresh. The kernel tells of changes (fs.watch, a few
// milliseconds); a slow look at the folders' own change times covers what it does not tell: file systems without
// notices, a full queue, a folder that was removed and made again. Costs next to nothing while nothing changes.

import { type FSWatcher, watch } from "node:fs";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "../../../common/clock.ts";
import { type InstanceRecord, isName, parseInstanceFile } from "./instance-file.ts";

export interface WatchedFoldersOptions {
  readonly root: string;
  readonly clock: Clock;
  /** After every look that found a change. */
  readonly onChange: () => void;
  /** A file that cannot be used, once per state of the file; or a folder that cannot be watched. One sentence. */
  readonly onProblem: (sentence: string) => void;
}

interface Folder {
  readonly records: ReadonlyMap<string, InstanceRecord>;
  readonly changedAtMs: number;
  /** The folder changed so shortly before it was read that a further change may bear the same time. */
  readonly isRecent: boolean;
}

/** Notices come in bursts (create, write, rename); one look serves them all. */
const settleMs = 5;
/** File systems stamp changes with the time of the last tick; be generous. */
const recentMs = 100;

export class WatchedFolders {
  readonly #options: WatchedFoldersOptions;
  readonly #folders = new Map<string, Folder>();
  readonly #watchers = new Map<string, FSWatcher>();
  /** Files reported as unusable, with their state then. */
  readonly #reported = new Map<string, string>();
  #look: Promise<void> | undefined;
  #isLookDue = false;
  #settling: Timer | undefined;
  #isClosed = false;
  #failure: string | undefined;

  constructor(options: WatchedFoldersOptions) {
    this.#options = options;
  }

  /** By service, then by instance id. */
  get folders(): ReadonlyMap<string, { readonly records: ReadonlyMap<string, InstanceRecord> }> {
    return this.#folders;
  }

  /** Why the root cannot be read; undefined when it can. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Looks at what changed; resolves when a look that began after this call has ended. */
  refresh(): Promise<void> {
    if (this.#look !== undefined) {
      this.#isLookDue = true;
      return this.#look.then(() => (this.#isLookDue ? this.refresh() : this.#look));
    }
    this.#isLookDue = false;
    this.#look = this.#lookAtAll().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  close(): void {
    this.#isClosed = true;
    this.#settling?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  async #lookAtAll(): Promise<void> {
    const { root, onChange } = this.#options;
    let hasChanged = false;
    try {
      await mkdir(root, { recursive: true });
      this.#watch(root);
      const entries = await readdir(root, { withFileTypes: true });
      const services = new Set(entries.filter((entry) => entry.isDirectory() && isName(entry.name)).map((e) => e.name));
      for (const known of [...this.#folders.keys()]) {
        if (!services.has(known)) hasChanged = this.#forget(known) || hasChanged;
      }
      for (const service of services) hasChanged = (await this.#lookAt(service)) || hasChanged;
      this.#failure = undefined;
    } catch (error) {
      // What was known stays in force.
      this.#failure = `registry ${root} cannot be read: ${(error as Error).message}`;
    }
    if (hasChanged && !this.#isClosed) onChange();
  }

  async #lookAt(service: string): Promise<boolean> {
    const path = join(this.#options.root, service);
    const known = this.#folders.get(service);
    try {
      this.#watch(path);
      const changedAtMs = (await stat(path)).mtimeMs;
      if (known !== undefined && known.changedAtMs === changedAtMs && !known.isRecent) return false;
      const isRecent = this.#options.clock.wallMs() - changedAtMs < recentMs;
      const records = new Map<string, InstanceRecord>();
      for (const name of (await readdir(path)).sort()) {
        const id = /^([^.].*)\.json$/.exec(name)?.[1];
        const record = id === undefined ? undefined : await this.#read(path, service, id);
        if (id !== undefined && record !== undefined) records.set(id, record);
      }
      this.#folders.set(service, { records, changedAtMs, isRecent });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return this.#forget(service);
      throw error;
    }
  }

  async #read(folder: string, service: string, id: string): Promise<InstanceRecord | undefined> {
    const path = join(folder, `${id}.json`);
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#report(path, String((error as Error).message));
      return undefined;
    }
    const record = isName(id) ? parseInstanceFile(text, service, id) : "has a name that no instance can have";
    if (typeof record !== "string") {
      this.#reported.delete(path);
      return record;
    }
    this.#report(path, record);
    return undefined;
  }

  #report(path: string, what: string): void {
    if (this.#reported.get(path) === what) return;
    this.#reported.set(path, what);
    this.#options.onProblem(`registry file ${path} ${what}; it is ignored`);
  }

  #forget(service: string): boolean {
    const path = join(this.#options.root, service);
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
    return this.#folders.delete(service);
  }

  #watch(path: string): void {
    if (this.#isClosed || this.#watchers.has(path)) return;
    try {
      const watcher = watch(path, { persistent: false }, () => this.#settle());
      watcher.on("error", () => this.#unwatch(path, watcher));
      this.#watchers.set(path, watcher);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw error;
      this.#report(path, `cannot be watched (${(error as Error).message}), so changes are seen a second late`);
    }
  }

  #unwatch(path: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(path) === watcher) this.#watchers.delete(path);
    this.#settle();
  }

  #settle(): void {
    if (this.#isClosed || this.#settling !== undefined) return;
    this.#settling = this.#options.clock.after(settleMs, () => {
      this.#settling = undefined;
      void this.refresh();
    });
  }
}
