// Follows the SQLite event log: reads on whenever there was a commit (commit-watch.ts), by whichever process. Called by
// SqliteEventLog.follow. Guarantees: batches in the global order, one at a time; survives a log that is locked, removed
// or not there yet, by trying again with jitter.

import { basename, dirname } from "node:path";
import { type Clock, wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { EventLog, LoggedRecord, Position } from "../event-log.ts";
import { LogUnavailable } from "../event-log.ts";
import { CommitWatch } from "./commit-watch.ts";

/** The first and the longest time between two tries while the log is unavailable, milliseconds. */
const FIRST_RETRY_MS = 5;
const LONGEST_RETRY_MS = 1000;

export interface FollowedLog {
  /** Absolute path of the log. */
  readonly file: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly readAll: EventLog["readAll"];
  /** A number that is another one after every append by anybody. Throws LogUnavailable. */
  readonly changeMark: () => number;
}

export interface Following {
  readonly after: Position;
  readonly batchSize: number;
  readonly onBatch: (records: readonly LoggedRecord[]) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Ends when `signal` aborts; rejects with what `onBatch` rejects with. */
export async function followLog(log: FollowedLog, following: Following): Promise<void> {
  const watch = new CommitWatch(dirname(log.file), basename(log.file), log.clock);
  try {
    await readOn(log, watch, following);
  } finally {
    watch.close();
  }
}

async function readOn(log: FollowedLog, watch: CommitWatch, following: Following): Promise<void> {
  const { batchSize, onBatch, signal } = following;
  let position = following.after;
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    let mark: number;
    let records: readonly LoggedRecord[];
    try {
      // Order matters: a record that comes between the two lines makes the next wait end at once.
      mark = log.changeMark();
      records = await log.readAll(position, batchSize);
      retryMs = FIRST_RETRY_MS;
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
      await pause(log.clock, log.random() * retryMs, signal);
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
      continue;
    }
    const last = records.at(-1);
    if (last === undefined) {
      await changed(log, watch, mark, signal);
    } else if (!signal.aborted) {
      await onBatch(records);
      position = last.position;
    }
  }
}

/** Resolves when the log may have changed since `mark`, or cannot tell, or `signal` aborts. */
async function changed(log: FollowedLog, watch: CommitWatch, mark: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await watch.pause(signal);
    try {
      if (log.changeMark() === mark) continue;
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
    }
    watch.found();
    return;
  }
}

async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(clock, delayMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
