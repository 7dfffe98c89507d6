// A read model as its two users see it. The projector is its only writer: rows and checkpoint change in one
// transaction, so that a crash between two batches loses and doubles nothing. Query services open it read-only.
// Implemented by SQLite here and by Postgres; read-model.suite.ts states what both guarantee.
//
// v1 and v2 are separate models built from the same log: either can be rebuilt from zero while the other serves.

import type { LoggedRecord, Position } from "../events/event-log.ts";

/** Which model: `v1` has quotes; `v2` has their views and likes too. */
export type ReadModelVersion = "v1" | "v2";

export interface QuoteRow {
  readonly quoteId: string;
  readonly text: string;
  readonly author: string;
  readonly submittedAtMs: number;
  /** Where the quote was submitted; orders lists and watches. */
  readonly submittedPosition: Position;
  /** Always 0 in v1. */
  readonly views: number;
  /** Always 0 in v1. */
  readonly likes: number;
}

/** How far a model is, as its projector last wrote it down. */
export interface ReadModelState {
  /** As `quotes-v1`. */
  readonly name: string;
  /** The last position that the model contains. */
  readonly position: Position;
  /** The last position of the log that the projector has seen. */
  readonly head: Position;
  /** When position had reached head for the last time, milliseconds since 1970; 0: never. */
  readonly caughtUpAtMs: number;
}

export interface ReadModelWriter {
  /** Where to go on: 0 for a new model. */
  checkpoint(): Promise<Position>;
  /**
   * Applies records in order and moves the checkpoint, all in one transaction. Records at or before the checkpoint are
   * skipped, so that a batch may come twice. Unknown event types are skipped and counted.
   */
  apply(records: readonly LoggedRecord[], head: Position, nowMs: number): Promise<{ readonly unknownEvents: number }>;
  /** Notes that the projector is alive and where the log's head is, without records. */
  heartbeat(head: Position, nowMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface ReadModelReader {
  state(): Promise<ReadModelState>;
  /** Undefined for a quote that does not exist or was retracted. */
  quote(quoteId: string): Promise<QuoteRow | undefined>;
  /** Any quote: `random` in [0, 1) chooses. Undefined when there is none. */
  randomQuote(random: number): Promise<QuoteRow | undefined>;
  /** Newest first; `before` is a submittedPosition, undefined for the newest. */
  newest(limit: number, before: Position | undefined): Promise<readonly QuoteRow[]>;
  /** Oldest first, those submitted behind `after`; what a watcher reads. */
  submittedAfter(after: Position, limit: number): Promise<readonly QuoteRow[]>;
  /** Most first, ties in order of submission; v2 only. */
  top(by: "likes" | "views", limit: number): Promise<readonly QuoteRow[]>;
  /** Calls back soon after the model may have changed, until `signal` aborts; never holds a transaction open. */
  onChange(listener: () => void, signal: AbortSignal): void;
  close(): Promise<void>;
}
