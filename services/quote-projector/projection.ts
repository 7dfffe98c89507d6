// Keeps one read model up with the log: follows, applies batch by batch, writes down every second how far the log is.
// Run by projector.ts, once, or twice during a rebuild. Guarantees: a batch is applied whole or not at all, so that
// being killed costs nothing; a model that cannot be written is tried again with the same batch until it can; a log
// that is away leaves the model as it is, and its age tells. A log that is shorter than the model is another log: that
// is fatal.

import { type Clock, wait } from "../../common/clock.ts";
import type { JsonLog } from "../../common/json-log.ts";
import { type EventLog, type Follower, type LoggedRecord, LogUnavailable, type Position } from "../events/event-log.ts";
import type { ReadModelWriter } from "../read-model/read-model.ts";
import { ReadModelUnavailable } from "../read-model/read-model-store.ts";
import { catchUp, type HeadSample } from "./catch-up.ts";

/**
 * Called with the records of a batch before it is applied; the function it gives is called after, with the error if
 * any.
 */
export type BatchSpans = (records: readonly LoggedRecord[]) => (error?: unknown) => void;

export interface ProjectionOptions {
  /** As `quotes-v1`, for messages. */
  readonly name: string;
  readonly log: EventLog;
  /** As operators of the log see it. */
  readonly follower?: Follower;
  readonly writer: ReadModelWriter;
  readonly clock: Clock;
  readonly jsonLog: JsonLog;
  /** Spans of projected records, when tracing is on. */
  readonly spans?: BatchSpans;
  /** Called once, when the model has held all that was in the log at some time since the start. */
  readonly onCaughtUp?: () => void;
}

/** Records in one transaction: large enough for its cost to vanish, small enough to end soon after SIGTERM. */
const BATCH_SIZE = 1000;
const HEARTBEAT_MS = 1000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2000;

export class Projection {
  readonly #options: ProjectionOptions;
  #position: Position = 0;
  #pending: HeadSample | undefined;
  #hasCaughtUp = false;
  /** What keeps the log or the model from working, as it was logged. */
  #trouble: string | undefined;

  constructor(options: ProjectionOptions) {
    this.#options = options;
  }

  /** What the model holds. */
  get position(): Position {
    return this.#position;
  }

  /** Looks up where to go on; before `run`. Throws ReadModelUnavailable. */
  async begin(): Promise<Position> {
    this.#position = await this.#options.writer.checkpoint();
    return this.#position;
  }

  /** Runs until `signal` aborts, then finishes the batch at hand. Rejects only when going on makes no sense. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, follower } = this.#options;
    const failed = new AbortController();
    const both = AbortSignal.any([signal, failed.signal]);
    const parts = [
      log.follow(this.#position, BATCH_SIZE, (records) => this.#apply(records, both), both, follower),
      this.#heartbeats(both),
    ];
    for (const part of parts) part.catch(() => failed.abort());
    await Promise.allSettled(parts);
    await Promise.all(parts);
  }

  async #apply(records: readonly LoggedRecord[], signal: AbortSignal): Promise<void> {
    const { name, writer, jsonLog, spans } = this.#options;
    const last = records.at(-1);
    if (last === undefined) return;
    const endSpans = spans?.(records);
    try {
      const { note, pending, isCaughtUp } = catchUp(this.#pending, await this.#sampleHead(), last.position);
      const isApplied = await this.#persist(signal, async () => {
        const { unknownEvents } = await writer.apply(records, note.head, note.atMs);
        if (unknownEvents > 0) jsonLog.error("events of unknown types were skipped", { model: name, unknownEvents });
      });
      endSpans?.(isApplied ? undefined : new Error("stopped before the batch could be applied"));
      if (!isApplied) return;
      this.#pending = pending;
      this.#position = last.position;
      jsonLog.debug("applied", { model: name, records: records.length, position: last.position });
      if (isCaughtUp) this.#caughtUp();
    } catch (error) {
      endSpans?.(error);
      throw error;
    }
  }

  async #heartbeats(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#heartbeat();
        this.#noteTrouble(undefined);
      } catch (error) {
        if (!(error instanceof LogUnavailable || error instanceof ReadModelUnavailable)) throw error;
        this.#noteTrouble(error.message);
      }
      await pause(this.#options.clock, HEARTBEAT_MS, signal);
    }
  }

  async #heartbeat(): Promise<void> {
    const { name, log, writer, clock } = this.#options;
    const atMs = clock.wallMs();
    // Order matters: the position only grows, so a head that is below it now was never reached by this log.
    const position = this.#position;
    const head = await log.head();
    if (head < position) {
      throw new Error(
        `read model ${name}: holds position ${position}, but the event log ends at ${head}: it is another log; ` +
          "start the projector with --rebuild",
      );
    }
    await writer.heartbeat(head, atMs);
    if (head <= this.#position) this.#caughtUp();
    else this.#pending ??= { head, atMs };
  }

  /** Undefined while the log is away. */
  async #sampleHead(): Promise<HeadSample | undefined> {
    const { log, clock } = this.#options;
    const atMs = clock.wallMs();
    try {
      return { head: await log.head(), atMs };
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
      return undefined;
    }
  }

  /** Repeats `write` while the model is unavailable; false: `signal` aborted before it succeeded. */
  async #persist(signal: AbortSignal, write: () => Promise<void>): Promise<boolean> {
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(LONGEST_RETRY_MS, delayMs * 2)) {
      try {
        await write();
        return true;
      } catch (error) {
        if (!(error instanceof ReadModelUnavailable)) throw error;
        this.#noteTrouble(error.message);
      }
      if (signal.aborted) return false;
      await pause(this.#options.clock, delayMs, signal);
    }
  }

  #caughtUp(): void {
    if (this.#hasCaughtUp) return;
    this.#hasCaughtUp = true;
    this.#options.onCaughtUp?.();
  }

  /** Logs trouble when it begins, changes or ends, not every second. */
  #noteTrouble(trouble: string | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    const { jsonLog, name } = this.#options;
    if (trouble === undefined) jsonLog.info("going on", { model: name });
    else jsonLog.error(trouble, { model: name });
  }
}

async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  await wait(clock, delayMs, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
