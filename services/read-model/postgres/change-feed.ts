// Tells a reader's listeners that the model may have changed: by LISTEN, which the writer's transactions notify, and
// by a look every second, should a notification be lost with its connection. Owned by the Postgres reader; runs only
// while somebody listens. Guarantees: after the server was away it listens again by itself, and tells once, since
// nobody knows what happened meanwhile.

import { type Clock, wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { PostgresSession, PostgresSessionOptions } from "./session.ts";

export interface ChangeFeedOptions {
  readonly channel: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes the session that listens. */
  readonly session: (hooks: Required<Pick<PostgresSessionOptions, "setUp" | "onLost">>) => PostgresSession;
  /** Another text after every change; rejects while the model cannot be read. */
  readonly mark: () => Promise<string>;
}

const LOOK_EVERY_MS = 1000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2000;

export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  readonly #listeners = new Set<() => void>();
  #stop: AbortController | undefined;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  /** Tells `listener` until `signal` aborts. */
  add(listener: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    // Its own function, so that one listener may be given twice.
    const own = () => listener();
    this.#listeners.add(own);
    const remove = () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.#end();
    };
    signal.addEventListener("abort", remove, { once: true });
    if (this.#stop !== undefined) return;
    this.#stop = new AbortController();
    void this.#listen(this.#stop.signal);
    void this.#look(this.#stop.signal);
  }

  close(): void {
    this.#listeners.clear();
    this.#end();
  }

  #end(): void {
    this.#stop?.abort();
    this.#stop = undefined;
  }

  #tell(signal: AbortSignal): void {
    if (signal.aborted) return;
    for (const listener of [...this.#listeners]) listener();
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { channel, session: open } = this.#options;
    let lost = Promise.withResolvers<void>();
    const session = open({
      setUp: async (client) => {
        client.on("notification", () => this.#tell(signal));
        await client.query(`LISTEN ${channel}`);
      },
      onLost: () => lost.resolve(),
    });
    const ended = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    let retryMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      lost = Promise.withResolvers<void>();
      try {
        await session.run(async () => {});
        retryMs = FIRST_RETRY_MS;
        this.#tell(signal);
        await Promise.race([lost.promise, ended]);
      } catch {
        // The reads themselves report that the server is away.
      }
      await this.#pause(retryMs * (0.5 + this.#options.random()), signal);
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
    }
    await session.close();
  }

  async #look(signal: AbortSignal): Promise<void> {
    let seen: string | undefined;
    while (!signal.aborted) {
      const mark = await this.#options.mark().catch(() => seen);
      if (mark !== seen && seen !== undefined) this.#tell(signal);
      seen = mark;
      await this.#pause(LOOK_EVERY_MS, signal);
    }
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    await wait(this.#options.clock, delayMs, signal).catch(() => {});
  }
}
