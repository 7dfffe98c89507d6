// One flush per connection per event-loop turn: whoever writes marks its connection, and all marked ones are flushed
// when everything that was readable has been read (the check phase follows the poll phase). A small write costs 5 to
// 8 microseconds, a small frame 0.1 once it shares a write, so the batch decides the throughput.
//
// Process-wide, since a turn is.

export interface Flushable {
  /** Writes out what is queued; must not throw. May mark further connections: they are flushed in the same turn. */
  flush(): void;
}

const marked: Flushable[] = [];
let isScheduled = false;

/** Has `target` flushed at the end of this turn. The caller marks it once, until its `flush` has been called. */
export function flushThisTurn(target: Flushable): void {
  marked.push(target);
  if (!isScheduled) {
    isScheduled = true;
    setImmediate(flushMarked);
  }
}

function flushMarked(): void {
  // The list grows while it is worked on: a flush that frees credit marks the connection that the octets came from.
  for (let i = 0; i < marked.length; i++) marked[i]!.flush();
  marked.length = 0;
  isScheduled = false;
}
