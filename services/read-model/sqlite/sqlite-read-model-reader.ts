// Reads a SQLite read model, read-only. Made by SqliteReadModelStore for quote-query. The file may come later (the
// projector has not run yet) and may be replaced by a rebuilt one; reads follow within 20 ms. Every read is one
// statement, so no transaction outlives a call and nobody pins the WAL. Guarantees those of read-model.suite.ts.

import { basename, dirname } from "node:path";
import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { Position } from "../../events/event-log.ts";
import { CommitWatch } from "../../events/sqlite/commit-watch.ts";
import { DatabaseFile } from "../../events/sqlite/database-file.ts";
import { retryWhileBusy } from "../../events/sqlite/retry-while-busy.ts";
import { DatabaseGone, sqliteCode } from "../../events/sqlite/sqlite-error.ts";
import type { QuoteRow, ReadModelReader, ReadModelState, ReadModelVersion } from "../read-model.ts";
import { ReadModelUnavailable } from "../read-model-store.ts";
import { prepareReading, type ReaderStatements } from "./read-model-schema.ts";

export interface SqliteReadModelReaderOptions {
  /** As `quotes-v1`. */
  readonly name: string;
  /** The link to the file that serves. */
  readonly file: string;
  readonly version: ReadModelVersion;
  readonly clock: Clock;
  readonly random: Random;
}

const GIVE_UP_AFTER_MS = 500;
const REPLACED_WITHIN_MS = 20;
const SQLITE_ERROR = 1;
const SQLITE_CANTOPEN = 14;

export class SqliteReadModelReader implements ReadModelReader {
  readonly #file: DatabaseFile<ReaderStatements>;
  readonly #options: SqliteReadModelReaderOptions;
  readonly #listeners = new Set<() => void>();
  #stopWatching: AbortController | undefined;

  constructor(options: SqliteReadModelReaderOptions) {
    const { file, version, clock } = options;
    this.#options = options;
    this.#file = new DatabaseFile({
      file,
      clock,
      isReadOnly: true,
      checkEveryMs: REPLACED_WITHIN_MS,
      setUp: () => {},
      prepare: (db) => prepareReading(db, version),
    });
  }

  async state(): Promise<ReadModelState> {
    const row = await this.#attempt((statements) => statements.state.get());
    return {
      name: this.#options.name,
      position: Number(row?.position ?? 0),
      head: Number(row?.head ?? 0),
      caughtUpAtMs: Number(row?.caught_up_at_ms ?? 0),
    };
  }

  async quote(quoteId: string): Promise<QuoteRow | undefined> {
    return toQuote(await this.#attempt((statements) => statements.quote.get(quoteId)));
  }

  async randomQuote(random: number): Promise<QuoteRow | undefined> {
    return toQuote(await this.#attempt((statements) => statements.random.get(random)));
  }

  async newest(limit: number, before: Position | undefined): Promise<readonly QuoteRow[]> {
    const rows = await this.#attempt((statements) => statements.newest.all(before ?? Number.MAX_SAFE_INTEGER, limit));
    return toQuotes(rows);
  }

  async submittedAfter(after: Position, limit: number): Promise<readonly QuoteRow[]> {
    return toQuotes(await this.#attempt((statements) => statements.submittedAfter.all(after, limit)));
  }

  async top(by: "likes" | "views", limit: number): Promise<readonly QuoteRow[]> {
    if (this.#options.version === "v1") throw new Error(`${this.#options.name}: only v2 counts likes and views`);
    return toQuotes(await this.#attempt((statements) => statements.top?.[by].all(limit)));
  }

  onChange(listener: () => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    // Its own function, so that one listener may be given twice.
    const own = () => listener();
    this.#listeners.add(own);
    signal.addEventListener(
      "abort",
      () => {
        this.#listeners.delete(own);
        if (this.#listeners.size === 0) this.#endWatching();
      },
      { once: true },
    );
    if (this.#stopWatching === undefined) {
      this.#stopWatching = new AbortController();
      void this.#watch(this.#stopWatching.signal);
    }
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#endWatching();
    this.#file.close();
  }

  #endWatching(): void {
    this.#stopWatching?.abort();
    this.#stopWatching = undefined;
  }

  /** Looks for commits and replacements while somebody listens. */
  async #watch(signal: AbortSignal): Promise<void> {
    const watch = new CommitWatch(dirname(this.#file.path), `${this.#options.name}.`, this.#options.clock);
    let mark = this.#changeMark();
    while (!signal.aborted) {
      await watch.pause(signal);
      const now = this.#changeMark();
      if (signal.aborted || now === mark) continue;
      mark = now;
      watch.found();
      for (const listener of [...this.#listeners]) listener();
    }
    watch.close();
  }

  /** Another number after every change; -1 while there is no model to read. */
  #changeMark(): number {
    try {
      const dataVersion = this.#file.use((statements) => Number(statements.dataVersion.get()?.data_version));
      return this.#file.openings * 2 ** 40 + dataVersion;
    } catch {
      return -1;
    }
  }

  /** Undefined when there is no model yet. */
  async #attempt<T>(work: (statements: ReaderStatements) => T): Promise<T | undefined> {
    const { clock, random } = this.#options;
    try {
      return await retryWhileBusy({ clock, random, giveUpAfterMs: GIVE_UP_AFTER_MS }, () => this.#file.use(work));
    } catch (error) {
      if (isMissing(error)) return undefined;
      const why = error instanceof Error ? error.message : String(error);
      throw new ReadModelUnavailable(`read model ${basename(this.#file.path)}: ${why}`, { cause: error });
    }
  }
}

/** No file, or one whose writer has not made its tables yet. */
function isMissing(error: unknown): boolean {
  if (error instanceof DatabaseGone) return error.why !== "closed";
  const code = sqliteCode(error);
  return code === SQLITE_CANTOPEN || (code === SQLITE_ERROR && String(error).includes("no such table"));
}

function toQuotes(rows: readonly Record<string, unknown>[] | undefined): readonly QuoteRow[] {
  return (rows ?? []).map(toRow);
}

function toQuote(row: Record<string, unknown> | undefined): QuoteRow | undefined {
  return row && toRow(row);
}

function toRow(row: Record<string, unknown>): QuoteRow {
  return {
    quoteId: String(row.quote_id),
    text: String(row.text),
    author: String(row.author),
    submittedAtMs: Number(row.submitted_at_ms),
    submittedPosition: Number(row.submitted_position),
    views: Number(row.views),
    likes: Number(row.likes),
  };
}
