// When to ask a silent peer whether it is still there, and when to give it up. Pure: watch.ts brings time and counts.
// Anything that arrives is a sign of life, an answer to our PING like any other frame.
//
// A server asks clients that are silent. A client asks only while it waits for a response and not often: servers count
// PINGs and close the connection of a client that sends too many (gRFC A8).

export interface KeepaliveTimes {
  /** Silence after which a PING is sent. */
  readonly intervalMs: number;
  /** Silence after that PING after which the peer is gone. */
  readonly timeoutMs: number;
}

export class Keepalive {
  readonly #times: KeepaliveTimes;
  #reads = 0;
  #heardAtMs: number;
  #askedAtMs: number | undefined = undefined;

  constructor(times: KeepaliveTimes, nowMs: number) {
    this.#times = times;
    this.#heardAtMs = nowMs;
  }

  /** `reads`: how often anything ever arrived. `mayAsk`: a PING is in place now. */
  look(nowMs: number, reads: number, mayAsk: boolean): "rest" | "ping" | "lost" {
    if (reads !== this.#reads) {
      this.#reads = reads;
      this.#heardAtMs = nowMs;
      this.#askedAtMs = undefined;
      return "rest";
    }
    if (this.#askedAtMs !== undefined) return nowMs - this.#askedAtMs >= this.#times.timeoutMs ? "lost" : "rest";
    if (!mayAsk || nowMs - this.#heardAtMs < this.#times.intervalMs) return "rest";
    this.#askedAtMs = nowMs;
    return "ping";
  }

  /** When `look` may have something else to say than "rest", if the peer stays silent. */
  get dueMs(): number {
    if (this.#askedAtMs !== undefined) return this.#askedAtMs + this.#times.timeoutMs;
    return this.#heardAtMs + this.#times.intervalMs;
  }
}
