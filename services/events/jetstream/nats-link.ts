// Keeps one session with NATS: opens it, notices its end, opens the next with growing, random pauses, for ever. Owned
// by the event log. Guarantees: who asks for a session gets the one that works now or the reason why there is none, at
// once; only followers wait.

import { type Clock, wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import { LogUnavailable } from "../event-log.ts";
import { LogRefused } from "./log-refused.ts";
import type { Session } from "./session.ts";

export interface NatsLinkOptions {
  /** `isFirst`: no session has been opened before. Throws LogUnavailable or LogRefused. */
  readonly open: (isFirst: boolean) => Promise<Session>;
  /** For messages. */
  readonly where: string;
  readonly clock: Clock;
  readonly random: Random;
}

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;

export class NatsLink {
  readonly #options: NatsLinkOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #session: Session | undefined;
  #hasOpened = false;
  #why: string;
  #opened = Promise.withResolvers<Session>();
  /** The attempt that runs, or the next one. */
  #attempt = Promise.withResolvers<void>();

  constructor(options: NatsLinkOptions) {
    this.#options = options;
    this.#why = `${options.where}: not connected yet`;
    this.#attempt.promise.catch(() => {});
    this.#running = this.#run();
  }

  /**
   * Resolves when there is a session, at once or after the attempt that runs or comes next. Rejects with why that
   * attempt failed: LogUnavailable, or LogRefused when a person has to do something.
   */
  async attempt(): Promise<void> {
    if (this.#session === undefined) await this.#attempt.promise;
  }

  /** Throws LogUnavailable with the reason. */
  session(): Session {
    if (this.#session === undefined) throw new LogUnavailable(this.#why);
    return this.#session;
  }

  /** Waits for a session; undefined when `signal` aborts or the link is closed before. */
  async next(signal: AbortSignal): Promise<Session | undefined> {
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    if (stop.aborted) return undefined;
    if (this.#session !== undefined) return this.#session;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const stopped = () => resolve(undefined);
    stop.addEventListener("abort", stopped);
    const session = await Promise.race([this.#opened.promise, promise]);
    stop.removeEventListener("abort", stopped);
    return session;
  }

  async close(): Promise<void> {
    this.#why = `${this.#options.where}: was closed`;
    this.#closing.abort();
    await this.#session?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!this.#closing.signal.aborted) {
      try {
        const reason = await this.#untilEnd();
        retryMs = FIRST_RETRY_MS;
        if (!this.#closing.signal.aborted) this.#why = `${this.#options.where}: ${reason}; trying to connect again`;
      } catch (error) {
        this.#failed(error);
        retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
      }
      await this.#pause(retryMs);
    }
  }

  /** Opens a session and gives the reason for its end. */
  async #untilEnd(): Promise<string> {
    const session = await this.#options.open(!this.#hasOpened);
    this.#hasOpened = true;
    if (this.#closing.signal.aborted) await session.close();
    this.#session = session;
    this.#opened.resolve(session);
    this.#attempt.resolve();
    const reason = await session.ended;
    this.#session = undefined;
    this.#nextAttempt();
    this.#opened = Promise.withResolvers<Session>();
    return reason;
  }

  #nextAttempt(): void {
    this.#attempt = Promise.withResolvers<void>();
    // Often nobody asks; then the reason shows at the next use.
    this.#attempt.promise.catch(() => {});
  }

  #failed(error: unknown): void {
    if (!this.#closing.signal.aborted) this.#why = error instanceof Error ? error.message : String(error);
    this.#attempt.reject(error);
    this.#nextAttempt();
    // A defect of ours must not look like a server that is away.
    if (!(error instanceof LogUnavailable || error instanceof LogRefused)) this.#why = `a defect: ${this.#why}`;
  }

  async #pause(retryMs: number): Promise<void> {
    const { clock, random } = this.#options;
    await wait(clock, retryMs / 2 + (random() * retryMs) / 2, this.#closing.signal).catch((error: unknown) => {
      if (!this.#closing.signal.aborted) throw error;
    });
  }
}
