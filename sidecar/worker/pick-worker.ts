// Which worker gets a new connection: the one with the fewest open, in turn among equals. Connections of HTTP/2 live
// long and carry many calls, so their number is what can be spread without looking into them. Pure.

export interface WorkerLoad {
  readonly isReady: boolean;
  /** Open now, those that were asked to leave included. */
  readonly connections: number;
}

/** The index of the worker, or -1 when none is ready. `last`: the one that got the connection before. */
export function pickWorker(loads: readonly WorkerLoad[], last: number): number {
  let best = -1;
  for (let step = 1; step <= loads.length; step++) {
    const at = (last + step) % loads.length;
    const load = loads[at]!;
    if (load.isReady && (best < 0 || load.connections < loads[best]!.connections)) best = at;
  }
  return best;
}
