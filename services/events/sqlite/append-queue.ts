// Group commit: all appends that arrive in one turn of the event loop share one transaction, and so one sync of the
// disk. While that sync runs, the next group gathers in the sockets. Called by SqliteEventLog.append. Guarantees: an
// append is answered only after its commit; a conflict of one append does not touch the others of its group.

import { LogUnavailable } from "../event-log.ts";

/** One append that waits for its transaction. */
export interface PendingAppend {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly commandId: string;
  readonly record: Uint8Array;
}

interface Waiting<R> {
  readonly append: PendingAppend;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** The most appends in one transaction: bounds how long other writers wait and how long the event loop stands still. */
const MAX_GROUP = 256;
/** The most appends that wait while the log is locked; further ones are refused at once. */
const MAX_WAITING = 10_000;

export class AppendQueue<R> {
  readonly #commit: (group: readonly PendingAppend[]) => Promise<readonly R[]>;
  #waiting: Waiting<R>[] = [];
  #running: Promise<void> | undefined;

  /**
   * `commit` writes a group in one transaction and gives each append's result in the same order, or fails as a whole.
   */
  constructor(commit: (group: readonly PendingAppend[]) => Promise<readonly R[]>) {
    this.#commit = commit;
  }

  /** Rejects with what `commit` rejects with, and with LogUnavailable when too many wait. */
  append(append: PendingAppend): Promise<R> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new LogUnavailable(`event log: ${MAX_WAITING} appends wait already`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ append, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Until the end of this turn, so that every request which the poll phase has read joins the group.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#waiting.splice(0, MAX_GROUP);
      try {
        const results = await this.#commit(group.map(({ append }) => append));
        group.forEach(({ resolve }, i) => {
          resolve(results[i] as R);
        });
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = undefined;
  }
}
