// The event log as the services see it: streams of command records, one stream for each aggregate, and one global order
// over all. Implemented by SQLite (sqlite/) and by NATS JetStream; event-log.suite.ts states what every implementation
// guarantees: an append is atomic and happens only at the expected version; the global order never has a gap that is
// filled later; a record that was acknowledged survives `kill -9`.

import type { CommandRecord } from "../../gen/quoter/events/v1/events_pb.ts";

/**
 * A place in the global order. Opaque to callers of the API; inside, positions of one log compare as numbers. 0 is
 * before the first record.
 */
export type Position = number;

/** A record as it stands in the log. */
export interface LoggedRecord {
  readonly position: Position;
  /** The aggregate's stream, as `quote-q3k5…`. Letters, digits, `_` and `-`; it becomes part of a NATS subject. */
  readonly stream: string;
  /** 1 for the stream's first record, then without gaps. */
  readonly version: number;
  readonly record: CommandRecord;
}

/** A conflict is a value, not an error: the caller loads again and decides again. */
export type AppendResult =
  | { readonly ok: true; readonly position: Position; readonly version: number }
  | { readonly ok: false; readonly conflict: { readonly actualVersion: number } };

/** The log cannot be reached or refuses to write; commands answer UNAVAILABLE and may be repeated. */
export class LogUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "LogUnavailable";
  }
}

/**
 * Who follows, for logs whose server can show it to its operators (JetStream: a durable consumer of that name, with its
 * lag). The name decides nothing: where to go on is what the caller says, and whoever comes later has the name.
 */
export interface Follower {
  /** As `quotes-v1`: 1 to 100 letters, digits, `_` and `-`. Shown also while nobody follows. */
  readonly name: string;
  /** Shown no longer when the following has ended, or an hour after a process that was killed. Default: false. */
  readonly isPassing?: boolean;
  /** A sentence when the place on the server was lost and taken anew, or is somebody else's now. */
  readonly onNotice?: (sentence: string) => void;
}

export interface EventLog {
  /**
   * Appends `record` as version `expectedVersion + 1` of `stream` (0: the stream must be new). Throws LogUnavailable;
   * then the record may or may not be in the log, and a repeat with the same command id finds out.
   */
  append(stream: string, expectedVersion: number, record: CommandRecord): Promise<AppendResult>;
  /** A stream's records in order, from `fromVersion` (default 1), at most `limit` (default all). */
  readStream(stream: string, fromVersion?: number, limit?: number): Promise<readonly LoggedRecord[]>;
  /** The version of a stream's last record, 0 when there is none. */
  streamVersion(stream: string): Promise<number>;
  /** Records behind `after` in the global order, at most `limit`; empty at the end of the log. */
  readAll(after: Position, limit: number): Promise<readonly LoggedRecord[]>;
  /** The position of the last record, 0 when the log is empty. */
  head(): Promise<Position>;
  /**
   * Pushes batches of at most `batchSize` records behind `after`, in the global order, until `signal` aborts; the next
   * batch comes when the promise for the one before has resolved. Survives a log that goes away and comes back. Without
   * `follower` nobody but us sees it.
   */
  follow(
    after: Position,
    batchSize: number,
    onBatch: (records: readonly LoggedRecord[]) => Promise<void>,
    signal: AbortSignal,
    follower?: Follower,
  ): Promise<void>;
  /** Whether appends are taken now; `detail` says why not. */
  health(): Promise<{ readonly ok: boolean; readonly detail: string }>;
  close(): Promise<void>;
}
