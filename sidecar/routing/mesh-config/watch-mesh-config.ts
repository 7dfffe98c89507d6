// Keeps the mesh configuration of a directory in force: an edited file counts within about 100 ms, a set with a mistake
// is refused whole and the last good one stays, also over a restart. Called by the control part once per process.

import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Clock, systemClock, wait } from "../../../common/clock.ts";
import { FolderNotices } from "../../../common/folder-notices.ts";
import { type ConfigEntry, fileOf } from "./config-entry.ts";
import { checkMeshConfig, emptyMeshConfig, type MeshConfig } from "./mesh-config.ts";
import { parseConfigEntry } from "./parse-config-entry.ts";
import type { Problem } from "./problem.ts";
import { readMeshConfig } from "./read-mesh-config.ts";

export interface MeshConfigState {
  /** In force. */
  readonly config: MeshConfig;
  /** Why the files are not what is in force; empty when they are. */
  readonly rejected: readonly Problem[];
}

export interface WatchMeshConfigOptions {
  readonly dir: string;
  /** As `<FERRY_HOME>/mesh-config.last-good.json`: what a restart goes on with while the files are bad. */
  readonly lastGoodFile: string;
  readonly clock?: Clock;
  /** After every change of either part; not for the first state, which is returned. */
  readonly onChange: (state: MeshConfigState) => void;
  readonly signal: AbortSignal;
}

/** Editors write in several steps. */
const settleMs = 20;
/** A file that is bad may be half written: it is looked at again before it is refused. */
const secondLookMs = 60;
/** How often the files are looked at without a notice. */
const lookMs = 1_000;

/**
 * The state to start with; `onChange` tells the later ones until `signal` aborts. Never rejects: bad files at the start
 * mean the last good set, or the empty one where there was none. A directory that is missing at the first start is an
 * empty configuration and no mistake; one that goes away later is.
 */
export async function watchMeshConfig(options: WatchMeshConfigOptions): Promise<MeshConfigState> {
  const watch = new MeshConfigWatch(options);
  return watch.start();
}

class MeshConfigWatch {
  readonly #options: WatchMeshConfigOptions;
  readonly #clock: Clock;
  readonly #notices: FolderNotices;
  #state: MeshConfigState = { config: emptyMeshConfig, rejected: [] };
  /** The files as they were at the last look; names, sizes and times. */
  #seen = "";
  #look: Promise<void> | undefined;
  #isLookDue = false;

  constructor(options: WatchMeshConfigOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#notices = new FolderNotices(this.#clock, settleMs, () => void this.#lookAgain());
  }

  async start(): Promise<MeshConfigState> {
    const { dir, lastGoodFile, signal } = this.#options;
    this.#seen = await this.#fingerprint();
    const read = await this.#readTwice();
    if (read.ok) {
      this.#state = { config: read.config, rejected: [] };
      await this.#keepLastGood();
    } else {
      const last = await readLastGood(lastGoodFile, dir);
      const isFirstWithout = last === undefined && this.#seen === missing;
      this.#state = { config: last ?? emptyMeshConfig, rejected: isFirstWithout ? [] : read.problems };
    }
    signal.addEventListener("abort", () => this.#notices.close(), { once: true });
    this.#schedule();
    return this.#state;
  }

  #schedule(): void {
    if (this.#options.signal.aborted) return;
    this.#clock.after(lookMs, () => void this.#lookAgain().then(() => this.#schedule()));
  }

  /** One look at a time; a notice during a look means another after it. */
  async #lookAgain(): Promise<void> {
    this.#isLookDue = true;
    this.#look ??= (async () => {
      while (this.#isLookDue && !this.#options.signal.aborted) {
        this.#isLookDue = false;
        await this.#lookOnce();
      }
      this.#look = undefined;
    })();
    await this.#look;
  }

  async #lookOnce(): Promise<void> {
    const seen = await this.#fingerprint();
    if (seen === this.#seen) return;
    this.#seen = seen;
    const read = await this.#readTwice();
    if (this.#options.signal.aborted) return;
    const before = this.#state;
    const next = read.ok ? { config: read.config, rejected: [] } : { config: before.config, rejected: read.problems };
    const isSame =
      next.config.hash === before.config.hash && JSON.stringify(next.rejected) === JSON.stringify(before.rejected);
    if (isSame) return;
    this.#state = { ...next, config: next.config.hash === before.config.hash ? before.config : next.config };
    this.#options.onChange(this.#state);
    if (read.ok) await this.#keepLastGood();
  }

  async #readTwice(): Promise<Awaited<ReturnType<typeof readMeshConfig>>> {
    const first = await readMeshConfig(this.#options.dir);
    if (first.ok || this.#seen === missing) return first;
    await wait(this.#clock, secondLookMs);
    return readMeshConfig(this.#options.dir);
  }

  /** Also begins to watch folders that are new. */
  async #fingerprint(): Promise<string> {
    const { dir } = this.#options;
    try {
      const own = await stat(dir);
      const parts = [`${own.ino}`];
      this.#notices.watch(dir);
      for (const entry of await readdir(dir, { withFileTypes: true })) {
        const path = join(dir, entry.name);
        if (!entry.isDirectory()) {
          parts.push(entry.name);
          continue;
        }
        this.#notices.watch(path);
        for (const name of await readdir(path)) {
          const { mtimeMs, size, ino } = await stat(join(path, name));
          parts.push(`${entry.name}/${name} ${mtimeMs} ${size} ${ino}`);
        }
      }
      return parts.join("\n");
    } catch (error) {
      // Something went away between two steps: the next look sees what there is then.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return missing;
      return `unreadable: ${(error as Error).message}`;
    }
  }

  /** Losing this file costs nothing but the restart with bad files; so failing to write it stops nobody. */
  async #keepLastGood(): Promise<void> {
    const { lastGoodFile, dir } = this.#options;
    const temporary = `${lastGoodFile}.${randomUUID()}`;
    const { hash, entries } = this.#state.config;
    try {
      await mkdir(dirname(lastGoodFile), { recursive: true });
      const content = { format: lastGoodFormat, dir: resolve(dir), hash, entries };
      await writeFile(temporary, `${JSON.stringify(content, undefined, 1)}\n`);
      await rename(temporary, lastGoodFile);
    } catch {
      await rm(temporary, { force: true }).catch(() => {});
    }
  }
}

const missing = "missing";
const lastGoodFormat = 1;

/** What was last in force for this directory; read as carefully as the files themselves. */
async function readLastGood(path: string, dir: string): Promise<MeshConfig | undefined> {
  try {
    const content = JSON.parse(await readFile(path, "utf8"));
    if (content.format !== lastGoodFormat || content.dir !== resolve(dir)) return undefined;
    const entries: ConfigEntry[] = [];
    for (const raw of content.entries as ConfigEntry[]) {
      const parsed = parseConfigEntry(JSON.stringify(raw), fileOf(raw.Kind, raw.Name));
      if (!parsed.ok) return undefined;
      entries.push(parsed.entry);
    }
    const checked = checkMeshConfig(entries);
    return checked.ok ? checked.config : undefined;
  } catch {
    return undefined;
  }
}
