// Repeats a short SQLite transaction while another process holds the lock. SQLite's own busy timeout blocks the whole
// event loop, so it is kept to a few milliseconds and the waiting is done here, with full jitter so that writers that
// collided once do not collide again.

import { type Clock, wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import { isBusy } from "./sqlite-error.ts";

export interface BusyRetry {
  readonly clock: Clock;
  readonly random: Random;
  /** How long to go on, milliseconds; then the last error is thrown. */
  readonly giveUpAfterMs: number;
}

const FIRST_DELAY_MS = 2;
const MAX_DELAY_MS = 40;

/** The result of `attempt`, which must leave no transaction open. Throws its error when that is not about a lock. */
export async function retryWhileBusy<T>(retry: BusyRetry, attempt: () => T): Promise<T> {
  const untilMs = retry.clock.nowMs() + retry.giveUpAfterMs;
  for (let ceilingMs = FIRST_DELAY_MS; ; ceilingMs = Math.min(MAX_DELAY_MS, ceilingMs * 2)) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || retry.clock.nowMs() >= untilMs) throw error;
    }
    await wait(retry.clock, retry.random() * ceilingMs);
  }
}
