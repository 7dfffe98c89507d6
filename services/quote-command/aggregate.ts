// One quote as the log has it: state, version, and which commands it has answered with what. Aggregates are kept after
// use, since a stream's past never changes: the next command reads only what is new, so liking a quote for the ten
// thousandth time costs what the first like cost. Called by handle-command.ts, one command per quote at a time.

import { decodeRecord, isUnknown } from "../events/codec.ts";
import type { EventLog, LoggedRecord, Position } from "../events/event-log.ts";
import { evolve, initialState, type QuoteState } from "./evolve.ts";

/** What a command got the first time. */
export interface FirstAnswer {
  readonly position: Position;
  /** The type of the first event that it made. */
  readonly firstEvent: string;
}

export class QuoteAggregate {
  #version = 0;
  #state: QuoteState = initialState;
  readonly #answers = new Map<string, FirstAnswer>();

  /** The version of the last record that was applied. */
  get version(): number {
    return this.#version;
  }

  get state(): QuoteState {
    return this.#state;
  }

  /** How many commands it remembers: its size in memory, about 150 bytes each. */
  get size(): number {
    return this.#answers.size;
  }

  firstAnswer(commandId: string): FirstAnswer | undefined {
    return this.#answers.get(commandId);
  }

  apply({ version, position, record }: LoggedRecord): void {
    this.#version = version;
    this.#answers.set(record.commandId, { position, firstEvent: record.events[0]?.type ?? "" });
    // What a newer release wrote is not understood here and changes nothing that an older release decides.
    for (const event of decodeRecord(record)) if (!isUnknown(event)) this.#state = evolve(this.#state, event);
  }
}

/** The most commands that all kept aggregates remember together: about 8 MB. */
const maxKeptCommands = 50_000;
const pageSize = 1000;

interface Kept {
  readonly aggregate: QuoteAggregate;
  /** Its part of the sum. */
  counted: number;
}

/** Aggregates by stream, the least recently used forgotten first. */
export class KeptAggregates {
  readonly #log: EventLog;
  readonly #maxCommands: number;
  readonly #byStream = new Map<string, Kept>();
  #commands = 0;

  constructor(log: EventLog, maxCommands: number = maxKeptCommands) {
    this.#log = log;
    this.#maxCommands = maxCommands;
  }

  /** The aggregate with all that the log has of it now. Throws LogUnavailable. */
  async load(stream: string): Promise<QuoteAggregate> {
    const kept = this.#byStream.get(stream) ?? { aggregate: new QuoteAggregate(), counted: 0 };
    const { aggregate } = kept;
    for (;;) {
      const records = await this.#log.readStream(stream, aggregate.version + 1, pageSize);
      for (const record of records) aggregate.apply(record);
      if (records.length < pageSize) break;
    }
    // An id that names nothing must not push out one that does.
    if (aggregate.version > 0) this.#keep(stream, kept);
    return aggregate;
  }

  #keep(stream: string, kept: Kept): void {
    this.#commands += kept.aggregate.size - kept.counted;
    kept.counted = kept.aggregate.size;
    this.#byStream.delete(stream);
    this.#byStream.set(stream, kept);
    for (const [oldest, { counted }] of this.#byStream) {
      if (this.#commands <= this.#maxCommands || oldest === stream) break;
      this.#byStream.delete(oldest);
      this.#commands -= counted;
    }
  }
}
