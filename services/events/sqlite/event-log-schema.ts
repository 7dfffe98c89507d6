// The event log's one table and the statements on it. The position is SQLite's rowid: BEGIN IMMEDIATE admits one writer
// at a time and a rolled back transaction gives its numbers back, so positions have no gap that is filled later.

import type { DatabaseSync, StatementSync } from "node:sqlite";

/**
 * WAL: readers never wait for writers. FULL: the WAL is synced before a commit returns, so an acknowledged record
 * survives a power cut, too.
 */
export function setUpEventLog(db: DatabaseSync): void {
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = FULL");
  db.exec("PRAGMA journal_size_limit = 67108864");
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'records'").get() !== undefined) return;
  db.exec(`BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS records (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      stream TEXT NOT NULL,
      version INTEGER NOT NULL,
      command_id TEXT NOT NULL,
      record BLOB NOT NULL,
      UNIQUE (stream, version)
    );
    COMMIT`);
}

export interface EventLogStatements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollBack: StatementSync;
  readonly insert: StatementSync;
  /** Changes nothing, but fails where nothing may be changed: BEGIN IMMEDIATE alone succeeds on a read-only file. */
  readonly probe: StatementSync;
  readonly version: StatementSync;
  readonly stream: StatementSync;
  readonly all: StatementSync;
  readonly head: StatementSync;
  readonly dataVersion: StatementSync;
}

export function prepareEventLog(db: DatabaseSync): EventLogStatements {
  const columns = "position, stream, version, record";
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollBack: db.prepare("ROLLBACK"),
    insert: db.prepare("INSERT INTO records (stream, version, command_id, record) VALUES (?, ?, ?, ?)"),
    probe: db.prepare("UPDATE records SET version = version WHERE position = 0"),
    version: db.prepare("SELECT max(version) AS version FROM records WHERE stream = ?"),
    stream: db.prepare(`SELECT ${columns} FROM records WHERE stream = ? AND version >= ? ORDER BY version LIMIT ?`),
    all: db.prepare(`SELECT ${columns} FROM records WHERE position > ? ORDER BY position LIMIT ?`),
    head: db.prepare("SELECT max(position) AS position FROM records"),
    dataVersion: db.prepare("PRAGMA data_version"),
  };
}
