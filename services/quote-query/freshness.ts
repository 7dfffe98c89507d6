// How old answers from a read model may be. Pure. The projector writes down, about once a second, how far the model is
// and when it last held everything; from that and the time follows what `x-quoter-staleness-ms` says.

import type { ReadModelState } from "../read-model/read-model.ts";

/** The projector writes every second; two missed notes and it is taken for gone. */
export const freshForMs = 3000;

/**
 * Milliseconds for which the model may lack something: 0 while it holds everything and its projector lives; undefined
 * when it never held everything. `nowMs` since 1970, by a clock near the projector's.
 */
export function stalenessMs({ position, head, caughtUpAtMs }: ReadModelState, nowMs: number): number | undefined {
  if (caughtUpAtMs === 0) return undefined;
  const ageMs = Math.max(0, Math.round(nowMs - caughtUpAtMs));
  return position >= head && ageMs < freshForMs ? 0 : ageMs;
}

/**
 * How long a call may wait for the model, milliseconds: to just before its deadline, so that it can still answer with
 * how far the model is; 5 seconds when it has none.
 */
export function patienceMs(deadlineMs: number): number {
  if (deadlineMs === Number.POSITIVE_INFINITY) return 5000;
  return deadlineMs - Math.min(50, deadlineMs / 10);
}
