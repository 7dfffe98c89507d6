// Writes a Postgres read model: the rows of a batch and the checkpoint change in one transaction, or none does. Made by
// PostgresReadModelStore for the projector, the only writer. Guarantees those of read-model.suite.ts, also when the
// server is restarted or the connection is cut at any moment: a batch whose outcome is unknown may be applied again.

import type { Client } from "pg";
import type { LoggedRecord, Position } from "../../events/event-log.ts";
import { projectRecord, type RowChange } from "../project-quotes.ts";
import type { QuoteRow, ReadModelVersion, ReadModelWriter } from "../read-model.ts";
import { type Counts, foldChanges } from "./fold-changes.ts";
import { rebuildSchema, servingSchema, type WriterStatements, writerStatements } from "./model-statements.ts";
import { isMissingModel, MustStartAgain } from "./server-error.ts";
import type { PostgresSession } from "./session.ts";

export interface PostgresReadModelWriterOptions {
  /** As `quotes-v1`. */
  readonly name: string;
  readonly version: ReadModelVersion;
  readonly schema: string;
  /** The writer's own; it closes it. */
  readonly session: PostgresSession;
  /** Takes the right to write again when its session was lost; throws MustStartAgain when another process has it. */
  readonly holdLock: () => Promise<void>;
}

/** How long a switch waits for reads that are under way; each of them is cut after 5 s. */
const SWITCH_LOCK_TIMEOUT = "10s";

export class PostgresReadModelWriter implements ReadModelWriter {
  readonly #options: PostgresReadModelWriterOptions;
  #statements: WriterStatements;
  /** The last checkpoint that the server has confirmed to this writer. */
  #confirmed: Position = 0;

  constructor(options: PostgresReadModelWriterOptions) {
    this.#options = options;
    this.#statements = writerStatements(options.schema);
  }

  async checkpoint(): Promise<Position> {
    return this.#transaction((client) => this.#lockPosition(client));
  }

  async apply(records: readonly LoggedRecord[], head: Position, nowMs: number) {
    // Decoding needs no transaction and is not repeated when the server must be waited for.
    const projected = records.map((logged) => projectRecord(logged, this.#options.version));
    return this.#transaction(async (client) => {
      const checkpoint = await this.#lockPosition(client);
      const changes: RowChange[] = [];
      let unknownEvents = 0;
      let position = checkpoint;
      records.forEach((logged, i) => {
        if (logged.position <= checkpoint) return;
        for (const change of projected[i]?.changes ?? []) changes.push(change);
        unknownEvents += projected[i]?.unknownEvents ?? 0;
        position = logged.position;
      });
      for (const run of foldChanges(changes)) {
        await this.#count(client, run.countsBefore);
        await this.#add(client, [...run.adds.values()]);
        await this.#count(client, run.countsAfter);
        await this.#remove(client, [...run.removes]);
      }
      await client.query(this.#statements.moveTo([position, head, Math.trunc(nowMs)]));
      return { unknownEvents };
    });
  }

  async heartbeat(head: Position, nowMs: number): Promise<void> {
    await this.#transaction((client) => client.query(this.#statements.heartbeat([head, Math.trunc(nowMs)])));
  }

  async close(): Promise<void> {
    await this.#options.session.close();
  }

  /** The schema of a rebuild takes the place of the one that serves, and this writer goes on in it. */
  async switchOver(): Promise<void> {
    const { version } = this.#options;
    const [serving, rebuilt] = [servingSchema(version), rebuildSchema(version)];
    await this.#transaction(async (client) => {
      await client.query(`SET LOCAL lock_timeout = '${SWITCH_LOCK_TIMEOUT}'`);
      await client.query(`DROP SCHEMA IF EXISTS ${serving} CASCADE`);
      await client.query(`ALTER SCHEMA ${rebuilt} RENAME TO ${serving}`);
    });
    this.#statements = writerStatements(serving);
  }

  async #transaction<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { session, holdLock } = this.#options;
    await holdLock();
    return session.run(async (client) => {
      await client.query("BEGIN");
      const result = await work(client).catch((error: unknown) => {
        throw isMissingModel(error) ? this.#gone() : error;
      });
      await client.query("COMMIT");
      return result;
    });
  }

  /** Somebody dropped it, or restored the database to a time before it. */
  #gone(): MustStartAgain {
    const { name, schema } = this.#options;
    return new MustStartAgain(
      `read model ${name}: schema ${schema} is gone; start the projector again and it makes the model anew from the log`,
    );
  }

  /** The checkpoint, with the state's row locked until the transaction ends. */
  async #lockPosition(client: Client): Promise<Position> {
    const { rows } = await client.query<{ position: string }>(this.#statements.position([]));
    const position = Number(rows[0]?.position ?? Number.NaN);
    if (Number.isNaN(position)) throw new Error(`schema ${this.#options.schema}: the state's row is missing`);
    if (position < this.#confirmed) {
      // A server that lost confirmed commits: restored, failed over, or without fsync. What follows would leave a gap.
      throw new MustStartAgain(
        `read model ${this.#options.name}: is at position ${position}, but was written up to ${this.#confirmed}: ` +
          "the server has gone back; start the projector again and it goes on from there",
      );
    }
    this.#confirmed = position;
    return position;
  }

  async #add(client: Client, quotes: readonly QuoteRow[]): Promise<void> {
    if (quotes.length === 0) return;
    const columns = [
      quotes.map(({ quoteId }) => quoteId),
      quotes.map(({ text }) => text),
      quotes.map(({ author }) => author),
      quotes.map(({ submittedAtMs }) => submittedAtMs),
      quotes.map(({ submittedPosition }) => submittedPosition),
    ];
    await client.query(this.#statements.add(columns));
  }

  async #count(client: Client, counts: ReadonlyMap<string, Counts>): Promise<void> {
    if (counts.size === 0) return;
    const sums = [...counts.values()];
    const columns = [[...counts.keys()], sums.map(({ views }) => views), sums.map(({ likes }) => likes)];
    await client.query(this.#statements.count(columns));
  }

  async #remove(client: Client, quoteIds: readonly string[]): Promise<void> {
    if (quoteIds.length === 0) return;
    const { rows } = await client.query<{ slot: string; last: string }>(this.#statements.remove([quoteIds]));
    const lastAfter = Number(rows[0]?.last ?? 0) - rows.length;
    const free = rows.map(({ slot }) => Number(slot)).filter((slot) => slot <= lastAfter);
    if (free.length > 0) await client.query(this.#statements.fill([lastAfter, free]));
  }
}
