// The one door to time. Decisions take `nowMs` as a number; code that must wait takes a Clock, so that a test can
// advance time instead of sleeping. Only this file calls `performance.now`, `Date.now` and `setTimeout`.

// The global of the same name is a getter, which costs as much as the clock.
import { performance } from "node:perf_hooks";
import { maxWheelDelayMs, TimerWheel } from "./timer-wheel.ts";

/** A pending timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds with fractions; its zero has no meaning. For durations and deadlines. */
  nowMs(): number;
  /** Milliseconds since 1970. For what people and other machines read; never for durations. */
  wallMs(): number;
  /**
   * Runs `callback` once, `delayMs` from now (0 or less: in the next turn). A process that has nothing else to do ends
   * before its timers, unless the timer `holdsProcess`.
   */
  after(delayMs: number, callback: () => void, holdsProcess?: boolean): Timer;
}

let wheelTimer: NodeJS.Timeout | undefined;
const wheel = new TimerWheel({
  nowMs: () => performance.now(),
  wakeAfter(delayMs, wake) {
    clearTimeout(wheelTimer);
    wheelTimer = setTimeout(wake, Math.ceil(delayMs));
    wheelTimer.unref();
  },
});

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback, holdsProcess = false) {
    if (!holdsProcess && delayMs > 0 && delayMs <= maxWheelDelayMs) return wheel.add(delayMs, callback);
    const timer = setTimeout(callback, delayMs);
    if (!holdsProcess) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/**
 * Resolves after `delayMs` by `clock`, and keeps the process until then: somebody awaits it. Rejects with the signal's
 * reason as soon as `signal` aborts.
 */
export function wait(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const done = () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    };
    const timer = clock.after(delayMs, done, true);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
