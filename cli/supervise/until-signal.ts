// Ctrl-C, SIGTERM and SIGHUP as something to await. npm hands a Ctrl-C on to us that the terminal has sent already, so
// a repeat within a second is the same one; a later one means "now". While it is awaited the process stays alive: our
// clock's timers alone would not keep it.

import { systemClock } from "../../common/clock.ts";
import { stayAlive } from "../../common/stay-alive.ts";

export interface UntilSignal {
  /** Resolves with the first signal. */
  readonly first: Promise<NodeJS.Signals>;
  readonly isGiven: boolean;
  /** Aborts with the first signal. */
  readonly aborted: AbortSignal;
  /** Called for a further signal, a second or more after the first. */
  onImpatience(listener: () => void): void;
  /** Gives the signals back to Node's own handling. */
  close(): void;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const sameWithinMs = 1000;

export function untilSignal(): UntilSignal {
  const given = new AbortController();
  const { promise: first, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let firstMs = 0;
  let impatient = () => {};
  const onSignal = (signal: NodeJS.Signals) => {
    if (!given.signal.aborted) {
      firstMs = systemClock.nowMs();
      given.abort();
      resolve(signal);
    } else if (systemClock.nowMs() - firstMs >= sameWithinMs) impatient();
  };
  const mayEnd = stayAlive();
  for (const signal of signals) process.on(signal, onSignal);
  return {
    first,
    aborted: given.signal,
    get isGiven() {
      return given.signal.aborted;
    },
    onImpatience(listener) {
      impatient = listener;
    },
    close() {
      for (const signal of signals) process.off(signal, onSignal);
      mayEnd();
    },
  };
}
