// What was promised to callers: every command that was answered OK, counted once. Filled by the load, held against what
// the read models show at the end. A command is in it only when it was acknowledged, however often it was sent.

export interface PromisedQuote {
  readonly text: string;
  /** Acknowledged LikeQuote commands, each by an id of its own. */
  likes: number;
}

/** A quote as a read model has it; `likes` undefined in a model that does not count them. */
export interface ShownQuote {
  readonly quoteId: string;
  readonly text: string;
  readonly likes?: number;
}

export interface Balance {
  /** Acknowledged commands whose effect is not there. */
  readonly lost: number;
  /** Effects that nobody was promised, or that are there twice. */
  readonly doubled: number;
}

/** All quotes of the load have this author; others belong to somebody else and are not counted. */
export const loadAuthor = "The load";

export class Ledger {
  readonly #quotes = new Map<string, PromisedQuote>();
  readonly #ids: string[] = [];

  get ids(): readonly string[] {
    return this.#ids;
  }

  submitted(quoteId: string, text: string): void {
    if (this.#quotes.has(quoteId)) throw new Error(`two commands were answered with the quote ${quoteId}`);
    this.#quotes.set(quoteId, { text, likes: 0 });
    this.#ids.push(quoteId);
  }

  liked(quoteId: string): void {
    const quote = this.#quotes.get(quoteId);
    if (quote === undefined) throw new Error(`a like of ${quoteId}, which was never promised`);
    quote.likes++;
  }

  /** `shown`: the load's quotes in one model, all of them. */
  balance(shown: readonly ShownQuote[]): Balance {
    const byId = new Map<string, ShownQuote[]>();
    for (const quote of shown) byId.set(quote.quoteId, [...(byId.get(quote.quoteId) ?? []), quote]);
    let lost = 0;
    let doubled = 0;
    for (const [quoteId, promised] of this.#quotes) {
      const [found, ...further] = byId.get(quoteId) ?? [];
      doubled += further.length;
      if (found === undefined || found.text !== promised.text) lost++;
      if (found?.likes === undefined) continue;
      lost += Math.max(0, promised.likes - found.likes);
      doubled += Math.max(0, found.likes - promised.likes);
    }
    for (const quoteId of byId.keys()) if (!this.#quotes.has(quoteId)) doubled++;
    return { lost, doubled };
  }
}
