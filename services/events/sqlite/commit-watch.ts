// Waits for commits of other processes to a SQLite file. SQLite tells nobody, but `PRAGMA data_version` says at little
// cost whether there was one, and the kernel says when somebody writes to the WAL. So: look again soon after a write
// (the commit follows it within a disk sync), ever more rarely while nothing happens. Used by the log's followers and
// by the read models' watchers. Polling alone would either be late or wake an idle process all the time (40 looks a
// second cost 2 % of a core, most of it for waking up).

import { type FSWatcher, watch } from "node:fs";
import type { Clock } from "../../../common/clock.ts";

/** The first look comes so long after a write, milliseconds; each further one after half as long again. */
const FIRST_LOOK_MS = 1;
/** The longest time between two looks, milliseconds: the most a missed notice of the kernel can cost. */
const LONGEST_MS = 200;
/** The same where the kernel gives no notices. */
const LONGEST_BLIND_MS = 20;

export class CommitWatch {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #clock: Clock;
  #watcher: FSWatcher | undefined;
  #delayMs = FIRST_LOOK_MS;
  /** Ends the present pause. */
  #wake: () => void = () => {};
  #isWritten = false;

  /** Watches the files in `folder` whose names begin with `prefix`, from the first pause until `close`. */
  constructor(folder: string, prefix: string, clock: Clock) {
    this.#folder = folder;
    this.#prefix = prefix;
    this.#clock = clock;
  }

  /** Resolves when it is time to look again, and as soon as `signal` aborts. */
  async pause(signal: AbortSignal): Promise<void> {
    this.#watcher ??= this.#startWatching();
    await new Promise<void>((resolve) => {
      if (signal.aborted || this.#isWritten) return resolve();
      const end = () => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#clock.after(this.#delayMs, end);
      signal.addEventListener("abort", end, { once: true });
      this.#wake = end;
    });
    const longestMs = this.#watcher === undefined ? LONGEST_BLIND_MS : LONGEST_MS;
    this.#delayMs = this.#isWritten ? FIRST_LOOK_MS : Math.min(longestMs, this.#delayMs * 1.5);
    this.#isWritten = false;
  }

  /** A look has found something: more may follow soon. */
  found(): void {
    this.#delayMs = FIRST_LOOK_MS;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #startWatching(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#folder, { persistent: false }, (_, changed) => {
        // A null name (some systems) may be any file.
        if (changed !== null && !changed.startsWith(this.#prefix)) return;
        this.#isWritten = true;
        this.#wake();
      });
      watcher.on("error", () => this.close());
      return watcher;
    } catch {
      // No folder yet, or no more watches to be had: polling goes on alone, and the next pause tries again.
      return undefined;
    }
  }
}
