// Where each aggregate's subject ends: version and stream sequence of its last message, and of some that were last
// before. The expected version of an append becomes an expected sequence by it, and the version from which somebody
// reads becomes a sequence to begin at. A cache: what it does not know is read from the server, and what it knows
// wrongly the server refuses. Bounded; aggregates that were not used for long go first.

export interface StreamTip {
  /** 0: no record yet. */
  readonly version: number;
  /** The sequence that the next append expects as the subject's last; 0: nothing on the subject. */
  readonly sequence: number;
}

/** A conflict is learned of before its reader comes, so the last tip alone would say nothing to the reader. */
const TIPS_PER_STREAM = 4;

export class StreamTips {
  readonly #maxStreams: number;
  // Two generations: a Map that loses its oldest entry at every insertion searches ever longer for it.
  #young = new Map<string, readonly StreamTip[]>();
  #old = new Map<string, readonly StreamTip[]>();

  /** At most so many streams are known, some 400 bytes each; at least the half of them that were used last. */
  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams;
  }

  get(stream: string): StreamTip | undefined {
    return this.#tipsOf(stream).at(-1);
  }

  /** The last known tip below `version`: a reader from `version` may begin behind its sequence. */
  before(stream: string, version: number): StreamTip | undefined {
    return this.#tipsOf(stream).findLast((tip) => tip.version < version);
  }

  /** Remembers `tip` unless a later one is known: answers may overtake each other. */
  learn(stream: string, tip: StreamTip): void {
    const known = this.#tipsOf(stream);
    const last = known.at(-1);
    if (last !== undefined && last.sequence > tip.sequence) return;
    const earlier = last?.sequence === tip.sequence ? known.slice(0, -1) : known.slice(1 - TIPS_PER_STREAM);
    this.#keep(stream, [...earlier, tip]);
  }

  /** Remembers where a reader came by, which may be far from the end: its next page begins there. */
  passed(stream: string, tip: StreamTip): void {
    const others = this.#tipsOf(stream).filter(({ sequence }) => sequence !== tip.sequence);
    const kept = [tip, ...others.slice(1 - TIPS_PER_STREAM)];
    this.#keep(
      stream,
      kept.sort((a, b) => a.sequence - b.sequence),
    );
  }

  #keep(stream: string, tips: readonly StreamTip[]): void {
    this.#young.set(stream, tips);
    if (this.#young.size < this.#maxStreams / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  /** What the server said contradicts what is known of the end. */
  forget(stream: string): void {
    const earlier = this.#tipsOf(stream).slice(0, -1);
    this.#keep(stream, earlier);
  }

  #tipsOf(stream: string): readonly StreamTip[] {
    return this.#young.get(stream) ?? this.#old.get(stream) ?? [];
  }
}
