// Follows the SQLite event log: SQLite tells nobody about a commit of another process, but `PRAGMA data_version` says for
// 3 microseconds whether there was one. So the follower polls: quickly after something came, more slowly while nothing does.
// Called by SqliteEventLog.follow. Survives a log that is locked, removed or not there yet.

import { type Clock, wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { EventLog, LoggedRecord, Position } from "../event-log.ts";
import { LogUnavailable } from "../event-log.ts";

/** The shortest and longest time between two looks, milliseconds; the mean delay of a notice is half of it. */
const SHORTEST_POLL_MS = 2;
const LONGEST_POLL_MS = 25;
/** The longest time between two tries while the log is unavailable, milliseconds. */
const LONGEST_RETRY_MS = 1000;

export interface FollowedLog {
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
export async function followLog(log: FollowedLog, { after, batchSize, onBatch, signal }: Following): Promise<void> {
  let position = after;
  let retryMs = SHORTEST_POLL_MS;
  while (!signal.aborted) {
    let mark: number;
    let records: readonly LoggedRecord[];
    try {
      // Order matters: a record that comes between the two lines makes the next wait end at once.
      mark = log.changeMark();
      records = await log.readAll(position, batchSize);
      retryMs = SHORTEST_POLL_MS;
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
      await pause(log.clock, log.random() * retryMs, signal);
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
      continue;
    }
    const last = records.at(-1);
    if (last === undefined) {
      await changed(log, mark, signal);
    } else if (!signal.aborted) {
      await onBatch(records);
      position = last.position;
    }
  }
}

/** Resolves when the log may have changed since `mark`, or cannot tell, or `signal` aborts. */
async function changed(log: FollowedLog, mark: number, signal: AbortSignal): Promise<void> {
  for (let pollMs = SHORTEST_POLL_MS; !signal.aborted; pollMs = Math.min(LONGEST_POLL_MS, pollMs * 1.2)) {
    await pause(log.clock, pollMs, signal);
    try {
      if (log.changeMark() !== mark) return;
    } catch (error) {
      if (error instanceof LogUnavailable) return;
      throw error;
    }
  }
}

async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(clock, delayMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
