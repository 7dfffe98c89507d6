// How long to wait before a worker that died is replaced: not at all, unless it lived only for seconds, as one does
// that dies of what it is given at its start. Then longer each time, up to a cap. Pure.

const shortLifeMs = 5_000;
const firstDelayMs = 100;
const maxDelayMs = 10_000;

/** `livedMs`: how long the dead one was there. `lastDelayMs`: the delay before that one was started. */
export function restartDelayMs(livedMs: number, lastDelayMs: number): number {
  if (livedMs >= shortLifeMs) return 0;
  return Math.min(maxDelayMs, Math.max(firstDelayMs, lastDelayMs * 2));
}
