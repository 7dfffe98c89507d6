// Which file serves. `quotes-v1.db` is a link to `quotes-v1.<generation>.db`: a rebuilt model takes over when the link
// is renamed, in one step for every reader. (Renaming the databases themselves would marry the new one to the old one's
// WAL.) Called by SqliteReadModelStore, under the writer's lock.

import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";

export class ModelFiles {
  /** What readers open. */
  readonly link: string;
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.link = join(folder, `${name}.db`);
  }

  /** The file that serves; when there is none, the link to a first, not yet existing one is made. */
  serving(): string {
    mkdirSync(this.#folder, { recursive: true });
    const target = this.#target();
    if (target !== undefined) return join(this.#folder, target);
    const first = this.#file(1);
    this.#linkTo(first);
    return first;
  }

  /** A file for a rebuild, with a generation that no file has. */
  next(): string {
    mkdirSync(this.#folder, { recursive: true });
    const generations = this.#databases().map((file) => Number(file.split(".")[1]));
    return this.#file(Math.max(0, ...generations) + 1);
  }

  /** From now on readers open `file`. */
  switchTo(file: string): void {
    this.#linkTo(file);
  }

  /** Removes every generation but the one that serves. */
  removeOthers(): void {
    const serving = this.#target();
    for (const file of this.#databases()) {
      if (serving === undefined || !file.startsWith(serving)) rmSync(join(this.#folder, file), { force: true });
    }
  }

  #target(): string | undefined {
    try {
      return basename(readlinkSync(this.link));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  #linkTo(file: string): void {
    const draft = `${this.link}.new`;
    rmSync(draft, { force: true });
    symlinkSync(basename(file), draft);
    renameSync(draft, this.link);
  }

  #file(generation: number): string {
    return join(this.#folder, `${this.#name}.${generation}.db`);
  }

  /** The databases of all generations with their WALs. */
  #databases(): readonly string[] {
    const pattern = /^\.\d+\.db(-wal|-shm)?$/;
    return readdirSync(this.#folder).filter(
      (file) => file.startsWith(this.#name) && pattern.test(file.slice(this.#name.length)),
    );
  }
}
