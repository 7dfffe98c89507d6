// Notices from the kernel that something in a folder changed, for whoever keeps the content of folders in memory: the
// directory registry and the mesh configuration. A notice says only "look again"; a burst of them is one. Notices can
// be missed (other file systems, full queues), so the caller also looks by itself from time to time.

import { type FSWatcher, watch } from "node:fs";
import type { Clock, Timer } from "./clock.ts";

export class FolderNotices {
  readonly #clock: Clock;
  readonly #settleMs: number;
  readonly #onNotice: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #settling: Timer | undefined;
  #isClosed = false;

  /** `onNotice` comes `settleMs` after the first of a burst. */
  constructor(clock: Clock, settleMs: number, onNotice: () => void) {
    this.#clock = clock;
    this.#settleMs = settleMs;
    this.#onNotice = onNotice;
  }

  /**
   * Begins to watch a folder, once; does not keep the process alive. Returns why it cannot be watched, or undefined.
   * Throws when there is no such folder.
   */
  watch(path: string): string | undefined {
    if (this.#isClosed || this.#watchers.has(path)) return undefined;
    try {
      const watcher = watch(path, { persistent: false }, () => this.#settle());
      watcher.on("error", () => {
        if (this.#watchers.get(path) === watcher) this.forget(path);
        this.#settle();
      });
      this.#watchers.set(path, watcher);
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw error;
      return (error as Error).message;
    }
  }

  /** Ends the watch of a folder that is gone; a new one of the same name must be watched again. */
  forget(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }

  close(): void {
    this.#isClosed = true;
    this.#settling?.cancel();
    for (const path of [...this.#watchers.keys()]) this.forget(path);
  }

  #settle(): void {
    if (this.#isClosed || this.#settling !== undefined) return;
    this.#settling = this.#clock.after(this.#settleMs, () => {
      this.#settling = undefined;
      this.#onNotice();
    });
  }
}
