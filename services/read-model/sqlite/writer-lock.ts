// At most one writer for a model. The lock is the kernel's, on a small SQLite database beside the model, so it ends
// with the process however that ends: no stale lock file, no guess whether a process id is still the same process. The
// holder's id stands in a text file for whoever is refused.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isBusy } from "../../events/sqlite/sqlite-error.ts";
import type { WriterLock } from "../read-model-store.ts";

/** Takes the lock in `file` or tells who holds it. The id of the holder is in `<file>.pid`. */
export function lockFile(file: string): { readonly lock: WriterLock } | { readonly holder: string } {
  mkdirSync(dirname(file), { recursive: true });
  const db = new DatabaseSync(file, { timeout: 100 });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (isBusy(error)) return { holder: holderOf(`${file}.pid`) };
    throw error;
  }
  writeFileSync(`${file}.pid`, `${process.pid}\n`);
  return { lock: { release: async () => db.close() } };
}

function holderOf(pidFile: string): string {
  try {
    return `process ${readFileSync(pidFile, "utf8").trim()}`;
  } catch {
    return "another process";
  }
}
