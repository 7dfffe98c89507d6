// Which streams have DATA waiting and a peer that takes next to nothing of it. Judged by octets, not by WINDOW_UPDATE
// frames: a window that is opened by an octet now and then holds a stream's memory as well as one that stays shut
// (CVE-2019-9517 and the drip in CVE-2026-47774). Pure: watch.ts brings the time.

/** What is looked at in a stream. */
export interface StallingStream {
  readonly id: number;
  /** Octets of DATA ever sent. */
  readonly sentBytes: number;
  /** DATA waits to be sent. */
  readonly isWaiting: boolean;
}

interface Mark {
  sentBytes: number;
  sinceMs: number;
}

export class Stalls<S extends StallingStream> {
  readonly #stallMs: number;
  readonly #leastBytes: number;
  #marks = new Map<number, Mark>();

  /** A stream stalls that waits and sends fewer than `leastBytes` in `stallMs`. */
  constructor(stallMs: number, leastBytes: number) {
    this.#stallMs = stallMs;
    this.#leastBytes = leastBytes;
  }

  /** Those of all `streams` that have stalled. */
  look(nowMs: number, streams: readonly S[]): S[] {
    const stalled: S[] = [];
    const marks = new Map<number, Mark>();
    for (const stream of streams) {
      if (!stream.isWaiting) continue;
      let mark = this.#marks.get(stream.id);
      if (mark === undefined || stream.sentBytes - mark.sentBytes >= this.#leastBytes) {
        mark = { sentBytes: stream.sentBytes, sinceMs: nowMs };
      }
      if (nowMs - mark.sinceMs >= this.#stallMs) stalled.push(stream);
      else marks.set(stream.id, mark);
    }
    this.#marks = marks;
    return stalled;
  }
}
