// A read model in SQLite files under FERRY_HOME/read-models. Made by open-read-model.ts; see read-model-store.ts.

import { join } from "node:path";
import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { ReadModelReader, ReadModelVersion, ReadModelWriter } from "../read-model.ts";
import type { ReadModelStore, Rebuild, WriterLock } from "../read-model-store.ts";
import { ModelFiles } from "./model-files.ts";
import { SqliteReadModelReader } from "./sqlite-read-model-reader.ts";
import { SqliteReadModelWriter } from "./sqlite-read-model-writer.ts";
import { lockFile } from "./writer-lock.ts";

export interface SqliteReadModelStoreOptions {
  /** The folder of all models. */
  readonly folder: string;
  readonly version: ReadModelVersion;
  readonly clock: Clock;
  readonly random: Random;
}

export class SqliteReadModelStore implements ReadModelStore {
  readonly name: string;
  readonly #options: SqliteReadModelStoreOptions;
  readonly #files: ModelFiles;

  constructor(options: SqliteReadModelStoreOptions) {
    this.#options = options;
    this.name = `quotes-${options.version}`;
    this.#files = new ModelFiles(options.folder, this.name);
  }

  async lock(): Promise<{ readonly lock: WriterLock } | { readonly holder: string }> {
    return lockFile(join(this.#options.folder, `${this.name}.lock`));
  }

  async openWriter(): Promise<ReadModelWriter> {
    const writer = this.#writer(this.#files.serving());
    await writer.checkpoint();
    return writer;
  }

  async beginRebuild(): Promise<Rebuild> {
    this.#files.removeOthers();
    const file = this.#files.next();
    const writer = this.#writer(file);
    await writer.checkpoint();
    return {
      writer,
      switchOver: async () => {
        this.#files.switchTo(file);
        this.#files.removeOthers();
      },
    };
  }

  async openReader(): Promise<ReadModelReader> {
    return new SqliteReadModelReader({ ...this.#options, name: this.name, file: this.#files.link });
  }

  #writer(file: string): SqliteReadModelWriter {
    const { version, clock, random } = this.#options;
    return new SqliteReadModelWriter({ file, version, clock, random });
  }
}
