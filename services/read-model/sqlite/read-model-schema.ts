// The tables of a SQLite read model and the statements on them. `slot` numbers the quotes 1, 2, 3, … without gaps (a
// removed quote's slot is taken over by the last), so that a random quote is one look-up and every quote is equally
// likely.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { ReadModelVersion } from "../read-model.ts";

/** Raised with every change of the tables; a model of another version must be rebuilt. */
export const schemaVersion = 1;

/** Pragmas of every writing connection. NORMAL: after a power cut the newest batches come again from the log. */
export function setUpWriting(db: DatabaseSync, version: ReadModelVersion): void {
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = NORMAL");
  db.exec("PRAGMA journal_size_limit = 67108864");
  const existing = Number(db.prepare("PRAGMA user_version").get()?.user_version);
  if (existing === schemaVersion) return;
  if (existing !== 0) throw new Error(`was made by another release (schema ${existing}, not ${schemaVersion})`);
  const counts = version === "v1" ? "" : "views INTEGER NOT NULL DEFAULT 0, likes INTEGER NOT NULL DEFAULT 0,";
  const orders = ["likes", "views"].map((by) => `CREATE INDEX by_${by} ON quotes (${by} DESC, submitted_position);`);
  db.exec(`BEGIN IMMEDIATE;
    CREATE TABLE quotes (
      slot INTEGER PRIMARY KEY,
      quote_id TEXT NOT NULL UNIQUE,
      text TEXT NOT NULL,
      author TEXT NOT NULL,
      ${counts}
      submitted_at_ms INTEGER NOT NULL,
      submitted_position INTEGER NOT NULL
    );
    CREATE INDEX by_submission ON quotes (submitted_position);
    ${version === "v1" ? "" : orders.join("\n")}
    CREATE TABLE state (position INTEGER NOT NULL, head INTEGER NOT NULL, caught_up_at_ms INTEGER NOT NULL);
    INSERT INTO state VALUES (0, 0, 0);
    PRAGMA user_version = ${schemaVersion};
    COMMIT`);
}

export interface WriterStatements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly position: StatementSync;
  readonly add: StatementSync;
  readonly slotOf: StatementSync;
  readonly removeSlot: StatementSync;
  readonly moveLastTo: StatementSync;
  /** v2 only. */
  readonly count: StatementSync | undefined;
  readonly moveTo: StatementSync;
  readonly heartbeat: StatementSync;
}

export function prepareWriting(db: DatabaseSync, version: ReadModelVersion): WriterStatements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    position: db.prepare("SELECT position FROM state"),
    // Without a slot SQLite takes the highest + 1.
    add: db.prepare(`INSERT INTO quotes (quote_id, text, author, submitted_at_ms, submitted_position)
      VALUES (?, ?, ?, ?, ?) ON CONFLICT (quote_id) DO NOTHING`),
    slotOf: db.prepare("SELECT slot FROM quotes WHERE quote_id = ?"),
    removeSlot: db.prepare("DELETE FROM quotes WHERE slot = ?"),
    moveLastTo: db.prepare(
      "UPDATE quotes SET slot = :free WHERE slot = (SELECT max(slot) FROM quotes) AND slot > :free",
    ),
    count:
      version === "v1"
        ? undefined
        : db.prepare("UPDATE quotes SET views = views + ?, likes = likes + ? WHERE quote_id = ?"),
    moveTo: db.prepare(`UPDATE state SET position = :position, head = max(head, :head, :position),
      caught_up_at_ms = CASE WHEN :position >= :head THEN max(caught_up_at_ms, :nowMs) ELSE caught_up_at_ms END`),
    heartbeat: db.prepare(`UPDATE state SET head = max(head, :head),
      caught_up_at_ms = CASE WHEN position >= :head THEN max(caught_up_at_ms, :nowMs) ELSE caught_up_at_ms END`),
  };
}

export interface ReaderStatements {
  readonly state: StatementSync;
  readonly quote: StatementSync;
  readonly random: StatementSync;
  readonly newest: StatementSync;
  readonly submittedAfter: StatementSync;
  /** v2 only. */
  readonly top: Readonly<Record<"likes" | "views", StatementSync>> | undefined;
  readonly dataVersion: StatementSync;
}

export function prepareReading(db: DatabaseSync, version: ReadModelVersion): ReaderStatements {
  const counts = version === "v1" ? "0 AS views, 0 AS likes" : "views, likes";
  const select = `SELECT quote_id, text, author, submitted_at_ms, submitted_position, ${counts} FROM quotes`;
  const top = (by: string) => db.prepare(`${select} ORDER BY ${by} DESC, submitted_position LIMIT ?`);
  return {
    state: db.prepare("SELECT position, head, caught_up_at_ms FROM state"),
    quote: db.prepare(`${select} WHERE quote_id = ?`),
    random: db.prepare(`${select} WHERE slot = 1 + CAST(? * (SELECT max(slot) FROM quotes) AS INTEGER)`),
    newest: db.prepare(`${select} WHERE submitted_position < ? ORDER BY submitted_position DESC LIMIT ?`),
    submittedAfter: db.prepare(`${select} WHERE submitted_position > ? ORDER BY submitted_position LIMIT ?`),
    top: version === "v1" ? undefined : { likes: top("likes"), views: top("views") },
    dataVersion: db.prepare("PRAGMA data_version"),
  };
}
