// Keeps what the folders of the directory registry hold in memory, fresh. The kernel tells of changes (fs.watch, a few
// milliseconds); a slow look at the folders' own change times covers what it does not tell: file systems without
// notices, a full queue, a folder that was removed and made again. Costs next to nothing while nothing changes.

import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../common/clock.ts";
import { FolderNotices } from "../../../common/folder-notices.ts";
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
  /** Another one means that the folder was removed and made again: its watcher is deaf. */
  readonly inode: number;
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
  readonly #notices: FolderNotices;
  /** Files reported as unusable, with their state then. */
  readonly #reported = new Map<string, string>();
  #look: Promise<void> | undefined;
  #isLookDue = false;
  #isClosed = false;
  #failure: string | undefined;

  constructor(options: WatchedFoldersOptions) {
    this.#options = options;
    this.#notices = new FolderNotices(options.clock, settleMs, () => void this.refresh());
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
    this.#notices.close();
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
      const { mtimeMs: changedAtMs, ino: inode } = await stat(path);
      if (known !== undefined && known.inode !== inode) this.#notices.forget(path);
      this.#watch(path);
      if (known !== undefined && known.inode === inode && known.changedAtMs === changedAtMs && !known.isRecent)
        return false;
      const isRecent = this.#options.clock.wallMs() - changedAtMs < recentMs;
      const records = new Map<string, InstanceRecord>();
      for (const name of (await readdir(path)).sort()) {
        const id = /^([^.].*)\.json$/.exec(name)?.[1];
        const record = id === undefined ? undefined : await this.#read(path, service, id);
        if (id !== undefined && record !== undefined) records.set(id, record);
      }
      this.#folders.set(service, { records, inode, changedAtMs, isRecent });
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
    this.#report(path, `${record}; it is ignored`);
    return undefined;
  }

  #report(path: string, what: string): void {
    if (this.#reported.get(path) === what) return;
    this.#reported.set(path, what);
    this.#options.onProblem(`registry: ${path} ${what}`);
  }

  #forget(service: string): boolean {
    this.#notices.forget(join(this.#options.root, service));
    return this.#folders.delete(service);
  }

  #watch(path: string): void {
    const why = this.#notices.watch(path);
    if (why !== undefined) this.#report(path, `cannot be watched (${why}), so changes are seen a second late`);
  }
}
