// One connection to a SQLite file that may come late, vanish, or be replaced while the process runs: opened on first
// use, opened again when the path leads to another file or the last error made the connection doubtful. Used by the
// event log and by the read models. Guarantees: nobody goes on writing into a file that was removed or replaced (SQLite
// itself would, silently, into the unlinked inode); a file that was in use is never silently recreated empty.

import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../../common/clock.ts";
import { DatabaseGone, isBusy } from "./sqlite-error.ts";

export interface DatabaseFileOptions<S> {
  readonly file: string;
  readonly clock: Clock;
  /** Read only: the file must exist; otherwise it is created, with its folder. Default false. */
  readonly isReadOnly?: boolean;
  /** Run at every opening: pragmas, schema. Must do nothing when all is there. */
  readonly setUp: (db: DatabaseSync) => void;
  /** Prepares the statements that the user needs. */
  readonly prepare: (db: DatabaseSync) => S;
  /** How often the path is compared with the open file, milliseconds. Default 0: at every use. */
  readonly checkEveryMs?: number;
}

/** SQLite's own, blocking wait for a lock. Most transactions are shorter than this; see retry-while-busy.ts. */
const BUSY_TIMEOUT_MS = 2;

export class DatabaseFile<S> {
  readonly path: string;
  readonly #options: DatabaseFileOptions<S>;
  #open: { readonly db: DatabaseSync; readonly statements: S; readonly inode: string } | undefined;
  #wasOpen = false;
  #isClosed = false;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #openings = 0;

  constructor(options: DatabaseFileOptions<S>) {
    this.path = resolve(options.file);
    this.#options = options;
  }

  /** How often the file was opened; a change means that what was remembered about the connection is void. */
  get openings(): number {
    return this.#openings;
  }

  /**
   * Runs `work` on the open connection. It must be synchronous and leave no transaction open; a transaction that it
   * left open by throwing is rolled back. Throws what SQLite throws, and DatabaseGone.
   */
  use<T>(work: (statements: S, db: DatabaseSync) => T): T {
    const { db, statements } = this.#current();
    try {
      return work(statements, db);
    } catch (error) {
      if (db.isTransaction) rollBack(db);
      // After anything but a held lock it is cheaper to open again than to know what state the connection is in.
      if (!isBusy(error) || db.isTransaction) this.#forget();
      throw error;
    }
  }

  /** Closes; later uses throw. */
  close(): void {
    this.#isClosed = true;
    this.#forget();
  }

  #current() {
    if (this.#isClosed) throw new DatabaseGone(this.path, "closed");
    const nowMs = this.#options.clock.nowMs();
    if (this.#open !== undefined && nowMs - this.#checkedAtMs < (this.#options.checkEveryMs ?? 0)) return this.#open;
    this.#checkedAtMs = nowMs;
    const inode = inodeOf(this.path);
    if (this.#open !== undefined && this.#open.inode !== inode) this.#forget();
    if (this.#open !== undefined) return this.#open;
    const mayCreate = !this.#wasOpen && this.#options.isReadOnly !== true;
    if (inode === undefined && this.#wasOpen) throw new DatabaseGone(this.path, "removed while it was in use");
    this.#open = this.#openFile(mayCreate);
    this.#wasOpen = true;
    this.#openings++;
    return this.#open;
  }

  #openFile(mayCreate: boolean) {
    if (mayCreate) mkdirSync(dirname(this.path), { recursive: true });
    const readOnly = this.#options.isReadOnly === true;
    const db = new DatabaseSync(this.path, { readOnly, timeout: BUSY_TIMEOUT_MS });
    try {
      this.#options.setUp(db);
      return { db, statements: this.#options.prepare(db), inode: inodeOf(this.path) ?? "" };
    } catch (error) {
      db.close();
      throw error;
    }
  }

  #forget(): void {
    const open = this.#open;
    this.#open = undefined;
    try {
      open?.db.close();
    } catch {
      // Closing writes what is left of the WAL into the database; on a broken disk the next opening does it.
    }
  }
}

function inodeOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

function rollBack(db: DatabaseSync): void {
  try {
    db.exec("ROLLBACK");
  } catch {
    // SQLite has rolled back by itself (full disk, I/O error).
  }
}
