// One flush per connection per event-loop turn: whoever writes marks its connection, and all marked ones are flushed
// when everything that was readable has been read (the check phase follows the poll phase). A small write costs 5 to
// 8 microseconds, a small frame 0.1 once it shares a write, so the batch decides the throughput.
//
// A turn that follows one with a single socket to read has nothing to gather: it flushes as soon as that one is read,
// which is 4 % of the time of one call at a time.
//
// Process-wide, since a turn is.

export interface Flushable {
  /** Writes out what is queued; must not throw. May mark further connections: they are flushed in the same turn. */
  flush(): void;
}

const marked: Flushable[] = [];
let isScheduled = false;
/** The turn before had one socket to read: there is nothing to gather, and to wait for the end would only cost. */
let isQuiet = false;

/** Has `target` flushed at the end of this turn, or earlier. The caller marks it once, until its `flush` was called. */
export function flushThisTurn(target: Flushable): void {
  marked.push(target);
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(endTurn);
  if (isQuiet) process.nextTick(flushMarked);
}

function endTurn(): void {
  // One connection that was read and the one that its octets go to; in a quiet turn they are flushed already.
  isQuiet = marked.length <= (isQuiet ? 0 : 2);
  flushMarked();
  isScheduled = false;
}

function flushMarked(): void {
  // The list grows while it is worked on: a flush that frees credit marks the connection that the octets came from.
  for (let i = 0; i < marked.length; i++) marked[i]!.flush();
  marked.length = 0;
}
