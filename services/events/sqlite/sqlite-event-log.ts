// The event log in one SQLite file, shared by all processes of a machine: what `npm start` uses. Made by
// open-event-log.ts. Guarantees those of event-log.suite.ts. One transaction per group of appends (append-queue.ts), no
// read transaction that outlives a statement, so nobody ever pins the WAL. Opens lazily: a log that cannot be opened is
// unavailable, not fatal.

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import { type CommandRecord, CommandRecordSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import type { AppendResult, EventLog, LoggedRecord, Position } from "../event-log.ts";
import { LogUnavailable } from "../event-log.ts";
import { assertStreamName } from "../stream-name.ts";
import { AppendQueue, type PendingAppend } from "./append-queue.ts";
import { DatabaseFile } from "./database-file.ts";
import { type EventLogStatements, prepareEventLog, setUpEventLog } from "./event-log-schema.ts";
import { followLog } from "./follow-log.ts";
import { HealthProbe } from "./health-probe.ts";
import { retryWhileBusy } from "./retry-while-busy.ts";
import { DatabaseGone, sqliteCode } from "./sqlite-error.ts";

export interface SqliteEventLogOptions {
  /** As `.ferry/events.db`; made with its folder when it does not exist. */
  readonly file: string;
  readonly clock: Clock;
  readonly random: Random;
  /** How long to wait for other writers before LogUnavailable, milliseconds. Default 2000. */
  readonly giveUpAfterMs?: number;
  /** Below so much free disk space health is not ok, bytes. Default 16 MiB. */
  readonly minFreeBytes?: number;
}

/** Shorter than a health check's patience, so that a locked log answers "no" instead of nothing. */
const HEALTH_GIVES_UP_AFTER_MS = 300;

export class SqliteEventLog implements EventLog {
  readonly #file: DatabaseFile<EventLogStatements>;
  readonly #options: SqliteEventLogOptions;
  readonly #appends: AppendQueue<AppendResult>;
  readonly #health: HealthProbe;
  #appended = 0;

  constructor(options: SqliteEventLogOptions) {
    const { file, clock, minFreeBytes } = options;
    this.#options = options;
    this.#file = new DatabaseFile({ file, clock, setUp: setUpEventLog, prepare: prepareEventLog });
    this.#appends = new AppendQueue((group) => this.#commit(group));
    this.#health = new HealthProbe({
      clock,
      file: this.#file.path,
      minFreeBytes: minFreeBytes ?? 16 * 1024 * 1024,
      tryToWrite: () =>
        this.#attempt((statements) => {
          statements.begin.run();
          statements.probe.run();
          statements.rollBack.run();
        }, HEALTH_GIVES_UP_AFTER_MS),
    });
  }

  async append(stream: string, expectedVersion: number, record: CommandRecord): Promise<AppendResult> {
    assertStreamName(stream);
    const bytes = toBinary(CommandRecordSchema, record);
    return this.#appends.append({ stream, expectedVersion, commandId: record.commandId, record: bytes });
  }

  async readStream(stream: string, fromVersion = 1, limit = -1): Promise<readonly LoggedRecord[]> {
    return this.#attempt((statements) => statements.stream.all(stream, fromVersion, limit).map(toLogged));
  }

  async streamVersion(stream: string): Promise<number> {
    return this.#attempt((statements) => versionOf(statements, stream));
  }

  async readAll(after: Position, limit: number): Promise<readonly LoggedRecord[]> {
    return this.#attempt((statements) => statements.all.all(after, limit).map(toLogged));
  }

  async head(): Promise<Position> {
    return this.#attempt((statements) => Number(statements.head.get()?.position ?? 0));
  }

  async follow(
    after: Position,
    batchSize: number,
    onBatch: (records: readonly LoggedRecord[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random } = this.#options;
    const log = {
      file: this.#file.path,
      clock,
      random,
      readAll: (from: Position, limit: number) => this.readAll(from, limit),
      changeMark: () => this.#changeMark(),
    };
    await followLog(log, { after, batchSize, onBatch, signal });
  }

  health(): Promise<{ readonly ok: boolean; readonly detail: string }> {
    return this.#health.health();
  }

  async close(): Promise<void> {
    await this.#appends.idle();
    this.#file.close();
  }

  /** The connection's own appends do not change its data_version, hence the third part. */
  #changeMark(): number {
    try {
      const dataVersion = this.#file.use((statements) => Number(statements.dataVersion.get()?.data_version));
      return this.#file.openings * 2 ** 40 + dataVersion + this.#appended;
    } catch (error) {
      throw unavailable(this.#file.path, error);
    }
  }

  async #commit(group: readonly PendingAppend[]): Promise<readonly AppendResult[]> {
    try {
      const results = await this.#attempt((statements) => commitGroup(statements, group));
      this.#appended += group.length;
      this.#health.wrote();
      return results;
    } catch (error) {
      this.#health.failedToWrite();
      throw error;
    }
  }

  async #attempt<T>(
    work: (statements: EventLogStatements) => T,
    giveUpAfterMs = this.#options.giveUpAfterMs ?? 2000,
  ): Promise<T> {
    const { clock, random } = this.#options;
    try {
      return await retryWhileBusy({ clock, random, giveUpAfterMs }, () => this.#file.use(work));
    } catch (error) {
      throw unavailable(this.#file.path, error);
    }
  }
}

/** Writes a group in one transaction; a throw leaves it to DatabaseFile.use to roll back. */
function commitGroup(statements: EventLogStatements, group: readonly PendingAppend[]): readonly AppendResult[] {
  statements.begin.run();
  const results = group.map(({ stream, expectedVersion, commandId, record }): AppendResult => {
    const actualVersion = versionOf(statements, stream);
    if (actualVersion !== expectedVersion) return { ok: false, conflict: { actualVersion } };
    const version = expectedVersion + 1;
    const { lastInsertRowid } = statements.insert.run(stream, version, commandId, record);
    return { ok: true, position: Number(lastInsertRowid), version };
  });
  statements.commit.run();
  return results;
}

function versionOf(statements: EventLogStatements, stream: string): number {
  return Number(statements.version.get(stream)?.version ?? 0);
}

function toLogged(row: Record<string, unknown>): LoggedRecord {
  return {
    position: Number(row.position),
    stream: String(row.stream),
    version: Number(row.version),
    record: fromBinary(CommandRecordSchema, row.record as Uint8Array),
  };
}

/** What SQLite or the file system says makes the log unavailable; anything else is a bug and stays what it is. */
function unavailable(path: string, error: unknown): unknown {
  const isOutside = sqliteCode(error) !== undefined || error instanceof DatabaseGone || isSystemError(error);
  if (!(error instanceof Error) || !isOutside) return error;
  const message = error instanceof DatabaseGone ? error.message : `${path}: ${error.message}`;
  return new LogUnavailable(`event log ${message}`, { cause: error });
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}
