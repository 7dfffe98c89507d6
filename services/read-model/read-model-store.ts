// Where one read model is kept, as its projector sees it: who may write, which copy serves, how a rebuilt one takes
// over. Implemented by SQLite (files beside each other) and by Postgres (schemas beside each other).

import type { ReadModelReader, ReadModelWriter } from "./read-model.ts";

/** The model cannot be opened, read or written now. */
export class ReadModelUnavailable extends Error {
  /** False when it is not the model that is at fault. Default: true. */
  readonly mayRebuildHelp: boolean;

  constructor(message: string, options: { cause?: unknown; mayRebuildHelp?: boolean } = {}) {
    super(message, options);
    this.name = "ReadModelUnavailable";
    this.mayRebuildHelp = options.mayRebuildHelp ?? true;
  }
}

/** A model that is built from zero while the one before it serves. */
export interface Rebuild {
  readonly writer: ReadModelWriter;
  /** Lets the rebuilt model serve, at once for new reads; the one before is removed. `writer` stays usable. */
  switchOver(): Promise<void>;
}

/** The right to write; ends with the process, however that ends. */
export interface WriterLock {
  release(): Promise<void>;
}

export interface ReadModelStore {
  /** As `quotes-v1`. */
  readonly name: string;
  /** Undefined when another process has the right to write; `holder` then says which, as `process 4711`. */
  lock(): Promise<{ readonly lock: WriterLock } | { readonly holder: string }>;
  /** The model that serves; made, empty, when there is none. Throws ReadModelUnavailable. Only under the lock. */
  openWriter(): Promise<ReadModelWriter>;
  /** An empty model beside the one that serves; what an earlier, unfinished rebuild left is removed. Under the lock. */
  beginRebuild(): Promise<Rebuild>;
  /** Reads whichever model serves; there may be none yet. */
  openReader(): Promise<ReadModelReader>;
}
