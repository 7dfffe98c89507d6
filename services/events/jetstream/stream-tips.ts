// Where each aggregate's subject ends: version and stream sequence of its last message. The expected version of an
// append becomes an expected sequence by it. A cache: what it does not know is read from the server, and what it knows
// wrongly the server refuses. Bounded; the aggregate that was used longest ago goes first.

export interface StreamTip {
  /** 0: no record yet. */
  readonly version: number;
  /** The sequence that the next append expects as the subject's last; 0: nothing on the subject. */
  readonly sequence: number;
}

export class StreamTips {
  readonly #maxEntries: number;
  readonly #tips = new Map<string, StreamTip>();

  /** `maxEntries`: about 150 bytes each. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get(stream: string): StreamTip | undefined {
    return this.#tips.get(stream);
  }

  /** Remembers `tip` unless a later one is known: answers may overtake each other. */
  learn(stream: string, tip: StreamTip): void {
    const known = this.#tips.get(stream);
    if (known !== undefined && known.sequence > tip.sequence) return;
    this.#tips.delete(stream);
    this.#tips.set(stream, tip);
    if (this.#tips.size > this.#maxEntries) this.#tips.delete(this.#tips.keys().next().value ?? "");
  }

  /** What the server said contradicts what is known. */
  forget(stream: string): void {
    this.#tips.delete(stream);
  }
}
