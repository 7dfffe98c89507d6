// Reads a Postgres read model, read-only, by a pool of connections. Made by PostgresReadModelStore for quote-query.
// The schema may come later (the projector has not run yet) and may be replaced by a rebuilt one; every read is one
// statement, which finds the schema that serves by its name. A server that is away makes reads ReadModelUnavailable,
// within seconds at most, until it is back. Guarantees those of read-model.suite.ts.

import { Pool, type QueryConfig, type QueryResultRow } from "pg";
import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { Position } from "../../events/event-log.ts";
import type { QuoteRow, ReadModelReader, ReadModelState, ReadModelVersion } from "../read-model.ts";
import { ChangeFeed, type ChangeFeedOptions } from "./change-feed.ts";
import type { DatabaseAddress } from "./database-address.ts";
import { channelOf, type ReaderStatements, readerStatements, servingSchema } from "./model-statements.ts";
import { asUnavailable, isCutOff, isMissingModel } from "./server-error.ts";

export interface PostgresReadModelReaderOptions {
  /** As `quotes-v1`. */
  readonly name: string;
  readonly version: ReadModelVersion;
  readonly database: DatabaseAddress;
  /** What messages begin with. */
  readonly where: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly applicationName: string;
  /** Makes the session that listens for changes. */
  readonly session: ChangeFeedOptions["session"];
}

const CONNECTIONS = 8;
/** Also how long a read waits for a connection of the pool to be free. */
const CONNECT_TIMEOUT_MS = 2000;
const READ_TIMEOUT_MS = 5000;

export class PostgresReadModelReader implements ReadModelReader {
  readonly #options: PostgresReadModelReaderOptions;
  readonly #pool: Pool;
  readonly #statements: ReaderStatements;
  readonly #changes: ChangeFeed;

  constructor(options: PostgresReadModelReaderOptions) {
    const { version, database, applicationName, clock, random, session } = options;
    const schema = servingSchema(version);
    this.#options = options;
    this.#statements = readerStatements(schema, version);
    this.#pool = new Pool({
      connectionString: database.url,
      max: CONNECTIONS,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: READ_TIMEOUT_MS,
      // The pool waits for it, and gives up the connection when it fails.
      onConnect: (client) =>
        client.query(
          `SELECT set_config('application_name', $1, false), set_config('default_transaction_read_only', 'on', false),
             set_config('statement_timeout', $2, false)`,
          [applicationName, String(READ_TIMEOUT_MS)],
        ),
    });
    // The loss of an idle connection: the pool has dropped it, and the next read makes another.
    this.#pool.on("error", () => {});
    this.#changes = new ChangeFeed({
      channel: channelOf(schema),
      clock,
      random,
      session,
      mark: async () => JSON.stringify(await this.#attempt(this.#statements.state([]))),
    });
  }

  async state(): Promise<ReadModelState> {
    const [row] = await this.#attempt(this.#statements.state([]));
    return {
      name: this.#options.name,
      position: Number(row?.position ?? 0),
      head: Number(row?.head ?? 0),
      caughtUpAtMs: Number(row?.caught_up_at_ms ?? 0),
    };
  }

  async quote(quoteId: string): Promise<QuoteRow | undefined> {
    return (await this.#attempt(this.#statements.quote([quoteId]))).map(toRow)[0];
  }

  async randomQuote(random: number): Promise<QuoteRow | undefined> {
    return (await this.#attempt(this.#statements.random([random]))).map(toRow)[0];
  }

  async newest(limit: number, before: Position | undefined): Promise<readonly QuoteRow[]> {
    const rows = await this.#attempt(this.#statements.newest([before ?? Number.MAX_SAFE_INTEGER, limit]));
    return rows.map(toRow);
  }

  async submittedAfter(after: Position, limit: number): Promise<readonly QuoteRow[]> {
    return (await this.#attempt(this.#statements.submittedAfter([after, limit]))).map(toRow);
  }

  async top(by: "likes" | "views", limit: number): Promise<readonly QuoteRow[]> {
    const { top } = this.#statements;
    if (top === undefined) throw new Error(`${this.#options.name}: only v2 counts likes and views`);
    return (await this.#attempt(top[by]([limit]))).map(toRow);
  }

  onChange(listener: () => void, signal: AbortSignal): void {
    this.#changes.add(listener, signal);
  }

  async close(): Promise<void> {
    this.#changes.close();
    await this.#pool.end();
  }

  /** No rows when there is no model yet. A read that lost its connection is made once more, on another. */
  async #attempt(statement: QueryConfig<unknown[]>): Promise<readonly QueryResultRow[]> {
    try {
      const first = await this.#pool.query(statement).catch((error: unknown) => {
        if (isCutOff(error)) return undefined;
        throw error;
      });
      return (first ?? (await this.#pool.query(statement))).rows;
    } catch (error) {
      if (isMissingModel(error)) return [];
      throw asUnavailable(this.#options.where, error);
    }
  }
}

function toRow(row: QueryResultRow): QuoteRow {
  return {
    quoteId: String(row.quote_id),
    text: String(row.text),
    author: String(row.author),
    submittedAtMs: Number(row.submitted_at_ms),
    submittedPosition: Number(row.submitted_position),
    views: Number(row.views),
    likes: Number(row.likes),
  };
}
