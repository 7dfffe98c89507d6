// Writes a SQLite read model: the rows of a batch and the checkpoint change in one transaction, or none does. Made by
// SqliteReadModelStore for the projector, the only writer. Guarantees those of read-model.suite.ts.

import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { LoggedRecord, Position } from "../../events/event-log.ts";
import { DatabaseFile } from "../../events/sqlite/database-file.ts";
import { retryWhileBusy } from "../../events/sqlite/retry-while-busy.ts";
import { mergeCounts, projectRecord, type RowChange } from "../project-quotes.ts";
import type { ReadModelVersion, ReadModelWriter } from "../read-model.ts";
import { ReadModelUnavailable } from "../read-model-store.ts";
import { prepareWriting, setUpWriting, type WriterStatements } from "./read-model-schema.ts";

export interface SqliteReadModelWriterOptions {
  readonly file: string;
  readonly version: ReadModelVersion;
  readonly clock: Clock;
  readonly random: Random;
}

/** How long to wait for a lock: only an administrator's tool or the end of another process's recovery can hold it. */
const GIVE_UP_AFTER_MS = 2000;

export class SqliteReadModelWriter implements ReadModelWriter {
  readonly #file: DatabaseFile<WriterStatements>;
  readonly #options: SqliteReadModelWriterOptions;

  constructor(options: SqliteReadModelWriterOptions) {
    const { file, version, clock } = options;
    this.#options = options;
    this.#file = new DatabaseFile({
      file,
      clock,
      setUp: (db) => setUpWriting(db, version),
      prepare: (db) => prepareWriting(db, version),
    });
  }

  async checkpoint(): Promise<Position> {
    return this.#attempt(checkpointOf);
  }

  async apply(records: readonly LoggedRecord[], head: Position, nowMs: number) {
    // Decoding needs no lock and is not repeated when one must be waited for.
    const projected = records.map((logged) => projectRecord(logged, this.#options.version));
    return this.#attempt((statements) => {
      statements.begin.run();
      const checkpoint = checkpointOf(statements);
      const changes: RowChange[] = [];
      let unknownEvents = 0;
      let position = checkpoint;
      records.forEach((logged, i) => {
        if (logged.position <= checkpoint) return;
        for (const change of projected[i]?.changes ?? []) changes.push(change);
        unknownEvents += projected[i]?.unknownEvents ?? 0;
        position = logged.position;
      });
      for (const change of mergeCounts(changes)) applyChange(statements, change);
      statements.moveTo.run({ position, head, nowMs });
      statements.commit.run();
      return { unknownEvents };
    });
  }

  async heartbeat(head: Position, nowMs: number): Promise<void> {
    await this.#attempt((statements) => statements.heartbeat.run({ head, nowMs }));
  }

  async close(): Promise<void> {
    this.#file.close();
  }

  async #attempt<T>(work: (statements: WriterStatements) => T): Promise<T> {
    const { clock, random } = this.#options;
    try {
      return await retryWhileBusy({ clock, random, giveUpAfterMs: GIVE_UP_AFTER_MS }, () => this.#file.use(work));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ReadModelUnavailable(`read model ${this.#file.path}: ${why}`, { cause: error });
    }
  }
}

function checkpointOf(statements: WriterStatements): Position {
  return Number(statements.position.get()?.position);
}

function applyChange(statements: WriterStatements, change: RowChange): void {
  switch (change.kind) {
    case "add": {
      const { quoteId, text, author, submittedAtMs, submittedPosition } = change.quote;
      statements.add.run(quoteId, text, author, submittedAtMs, submittedPosition);
      return;
    }
    case "remove": {
      const free = statements.slotOf.get(change.quoteId)?.slot;
      if (free === undefined) return;
      statements.removeSlot.run(free);
      statements.moveLastTo.run({ free });
      return;
    }
    case "count":
      statements.count?.run(change.views, change.likes, change.quoteId);
  }
}
