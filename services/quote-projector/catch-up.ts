// When was a model known to hold everything? Comparing with the log's head after a batch would never say "now" while
// events keep coming. So a head is looked up and kept with its time; as soon as the model has passed that head, it held
// everything as of that time. Pure; called by projection.ts. The lag that this states is true to a batch, at any load.

import type { Position } from "../events/event-log.ts";

/** The log's head as it was at a time (milliseconds since 1970). */
export interface HeadSample {
  readonly head: Position;
  readonly atMs: number;
}

export interface CatchUp {
  /** What to write down with the model's position. */
  readonly note: HeadSample;
  /** The sample that is still ahead of the model; kept for the next batch. */
  readonly pending: HeadSample | undefined;
  /** Whether the model held everything at `note.atMs`. */
  readonly isCaughtUp: boolean;
}

/**
 * `pending`: what the call before gave; `fresh`: taken just now, undefined when the log does not answer; `position`:
 * what the model holds after this batch.
 */
export function catchUp(pending: HeadSample | undefined, fresh: HeadSample | undefined, position: Position): CatchUp {
  if (fresh !== undefined && fresh.head <= position) return { note: fresh, pending: undefined, isCaughtUp: true };
  if (pending !== undefined && pending.head <= position) return { note: pending, pending: fresh, isCaughtUp: true };
  // Time 0: nothing is known but the batch itself.
  const note = fresh ?? pending ?? { head: position, atMs: 0 };
  return { note, pending: pending ?? fresh, isCaughtUp: false };
}
