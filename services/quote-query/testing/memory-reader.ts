// A read model in memory whose changes a test makes by hand; for the tests of what waits for a model.

import type { Position } from "../../events/event-log.ts";
import type { QuoteRow, ReadModelReader, ReadModelState } from "../../read-model/read-model.ts";

export class MemoryReader implements ReadModelReader {
  rows: QuoteRow[] = [];
  current: ReadModelState = { name: "quotes-v1", position: 0, head: 0, caughtUpAtMs: 0 };
  /** Thrown by every read while it is set. */
  failure: Error | undefined;
  readonly #listeners = new Set<() => void>();

  /** Adds a quote at `position`, says that the model is there and tells the listeners. */
  add(position: Position, fields: Partial<QuoteRow> = {}): QuoteRow {
    const row = {
      quoteId: `q${position}`,
      text: `text ${position}`,
      author: "a",
      submittedAtMs: position,
      submittedPosition: position,
      views: 0,
      likes: 0,
      ...fields,
    };
    this.rows.push(row);
    this.change({ position, head: Math.max(position, this.current.head) });
    return row;
  }

  change(state: Partial<ReadModelState>): void {
    this.current = { ...this.current, ...state };
    for (const listener of this.#listeners) listener();
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async state(): Promise<ReadModelState> {
    if (this.failure !== undefined) throw this.failure;
    return this.current;
  }

  async quote(quoteId: string): Promise<QuoteRow | undefined> {
    return this.rows.find((row) => row.quoteId === quoteId);
  }

  async randomQuote(random: number): Promise<QuoteRow | undefined> {
    return this.rows[Math.floor(random * this.rows.length)];
  }

  async newest(limit: number, before: Position | undefined): Promise<readonly QuoteRow[]> {
    return this.rows
      .filter((row) => before === undefined || row.submittedPosition < before)
      .reverse()
      .slice(0, limit);
  }

  async submittedAfter(after: Position, limit: number): Promise<readonly QuoteRow[]> {
    return this.rows.filter((row) => row.submittedPosition > after).slice(0, limit);
  }

  async top(by: "likes" | "views", limit: number): Promise<readonly QuoteRow[]> {
    return this.rows.toSorted((a, b) => b[by] - a[by] || a.submittedPosition - b.submittedPosition).slice(0, limit);
  }

  onChange(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener));
  }

  async close(): Promise<void> {}
}
