// Waits for a server at the start of a process: tries until it answers, says now and then that it waits, and ends in
// one sentence that says what to do. Called by the JetStream log and by the Postgres read model when a main gives them
// a StartWait. What time cannot help with is told at once.

import { type Clock, wait } from "../../common/clock.ts";

/** What a process does while a server that it stands on is not there yet. */
export interface StartWait {
  /** How long it waits, milliseconds; 0: one attempt. Default 60,000. */
  readonly waitMs?: number;
  /** Gets a sentence when the waiting begins, and every five seconds. */
  readonly onWaiting?: (sentence: string) => void;
  /** Ends the wait, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface AwaitedServer<T> {
  /** For sentences, as `nats at 127.0.0.1:4222`; no secrets. */
  readonly name: string;
  /** What to do when it does not come, as `start it, or set NATS_URL to where it is`. */
  readonly advice: string;
  readonly attempt: () => Promise<T>;
  /** Why an attempt failed when time can help; undefined: the error is thrown as it is. */
  readonly whyAway: (error: unknown) => string | undefined;
}

const DEFAULT_WAIT_MS = 60_000;
const RETRY_MS = 250;
const SAY_EVERY_MS = 5_000;

/** What the first attempt that succeeds gives. */
export async function untilThere<T>(server: AwaitedServer<T>, clock: Clock, startWait: StartWait): Promise<T> {
  const { waitMs = DEFAULT_WAIT_MS, onWaiting, signal } = startWait;
  const untilMs = clock.nowMs() + waitMs;
  let sayAtMs = clock.nowMs();
  // An attempt may take seconds.
  const ended = aborted(signal);
  ended.catch(() => {});
  for (;;) {
    const outcome = await Promise.race([look(server), ended]);
    if ("found" in outcome) return outcome.found;
    const { why } = outcome;
    const nowMs = clock.nowMs();
    if (nowMs >= untilMs) {
      const waited = waitMs > 0 ? `, for ${Math.round(waitMs / 1000)} s` : "";
      throw new Error(`${server.name}: ${why}${waited}; ${server.advice}`);
    }
    if (nowMs >= sayAtMs) {
      onWaiting?.(`waiting for ${server.name}, ${Math.ceil((untilMs - nowMs) / 1000)} s more: ${why}`);
      sayAtMs = nowMs + SAY_EVERY_MS;
    }
    await wait(clock, RETRY_MS, signal);
  }
}

async function look<T>({ attempt, whyAway }: AwaitedServer<T>): Promise<{ found: T } | { why: string }> {
  try {
    return { found: await attempt() };
  } catch (error) {
    const why = whyAway(error);
    if (why === undefined) throw error;
    return { why };
  }
}

/** Rejects with the signal's reason. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    else signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
