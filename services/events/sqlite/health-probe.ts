// Whether the SQLite log takes appends now, found out by trying: the write lock is taken and given back, and the disk
// is asked for its free space (a full disk shows only when a transaction commits). Called by SqliteEventLog.health. The
// answer is remembered for half a second, and an append that succeeded is answer enough, so that asking costs nothing.

import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../../../common/clock.ts";

export interface HealthProbeOptions {
  readonly clock: Clock;
  /** The log's file; its file system is asked. */
  readonly file: string;
  readonly minFreeBytes: number;
  /** Takes and gives back the write lock; rejects with the reason why it cannot. */
  readonly tryToWrite: () => Promise<void>;
}

export interface Health {
  readonly ok: boolean;
  readonly detail: string;
}

const REMEMBERED_MS = 500;

export class HealthProbe {
  readonly #options: HealthProbeOptions;
  #last: Health | undefined;
  #lastAtMs = 0;
  #running: Promise<Health> | undefined;

  constructor(options: HealthProbeOptions) {
    this.#options = options;
  }

  /** An append was committed just now. */
  wrote(): void {
    this.#remember({ ok: true, detail: "" });
  }

  /** An append failed for another reason than a conflict: the next question is asked of the disk. */
  failedToWrite(): void {
    this.#last = undefined;
  }

  async health(): Promise<Health> {
    if (this.#last !== undefined && this.#options.clock.nowMs() - this.#lastAtMs < REMEMBERED_MS) return this.#last;
    this.#running ??= this.#probe();
    const health = await this.#running;
    this.#running = undefined;
    return health;
  }

  async #probe(): Promise<Health> {
    try {
      await this.#options.tryToWrite();
      const freeBytes = this.#freeBytes();
      if (freeBytes >= this.#options.minFreeBytes) return this.#remember({ ok: true, detail: "" });
      const detail = `event log: ${freeBytes} bytes of disk are free, ${this.#options.minFreeBytes} are needed`;
      return this.#remember({ ok: false, detail });
    } catch (error) {
      return this.#remember({ ok: false, detail: error instanceof Error ? error.message : String(error) });
    }
  }

  #freeBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.#options.file));
    return bavail * bsize;
  }

  #remember(health: Health): Health {
    this.#last = health;
    this.#lastAtMs = this.#options.clock.nowMs();
    return health;
  }
}
