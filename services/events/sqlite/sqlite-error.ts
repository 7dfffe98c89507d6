// What SQLite's error codes mean for a caller: wait and repeat, open the file again, or neither. Used by the SQLite
// event log and read models. https://sqlite.org/rescode.html; the low byte of an extended code is the primary one.

/** There is no file to work on any more: it was removed while it was in use, or this process has closed it. */
export class DatabaseGone extends Error {
  readonly why: "closed" | "removed while it was in use";

  constructor(file: string, why: "closed" | "removed while it was in use") {
    super(`${file}: was ${why}`);
    this.name = "DatabaseGone";
    this.why = why;
  }
}

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/** The primary result code; undefined when `error` does not come from SQLite. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** Whether somebody else holds a lock, so that the same statement may succeed a moment later. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}
