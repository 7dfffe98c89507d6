// Whether a worker has clearly more than its share of the connections, and how many of them it should let go: after
// another worker was replaced, or when the clients of one worker have gone, the rest would stay where they are for as
// long as their clients do. Who is told to go away by GOAWAY comes back at once, to the worker with the fewest. Pure;
// asked once a second.

export interface WorkerSpread {
  readonly isReady: boolean;
  /** Open now. */
  readonly connections: number;
  /** Of these, told to go away and still open: their streams go on. */
  readonly leaving: number;
}

/** More than the share by fewer than so many, or by less than this part of it, is left as it is. */
const tolerated = 2;
const toleratedShare = 0.25;
/** At most this part of a worker's connections is on its way out at a time. */
const leavingShare = 0.1;

/** By worker: how many more of its connections should be told to go away now. */
export function rebalance(workers: readonly WorkerSpread[]): readonly number[] {
  const ready = workers.filter(({ isReady }) => isReady);
  const staying = ready.reduce((sum, { connections, leaving }) => sum + connections - leaving, 0);
  const share = staying / Math.max(1, ready.length);
  return workers.map(({ isReady, connections, leaving }) => {
    const excess = connections - leaving - Math.ceil(share);
    if (!isReady || excess < Math.max(tolerated, share * toleratedShare)) return 0;
    return Math.max(0, Math.min(excess, Math.max(1, Math.floor(connections * leavingShare)) - leaving));
  });
}
