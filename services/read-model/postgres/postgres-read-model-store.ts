// A read model in a Postgres database: one schema per model, and a second one beside it while a rebuild runs. Made by
// open-read-model.ts; see read-model-store.ts. Needs a direct connection or a session pool: advisory locks and LISTEN
// live in a session.
//
// The right to write is an advisory lock in a session of its own. When the server restarts, the writer takes it again
// before it writes. Rows stay exact even without it: each transaction locks the state's row and skips what it holds.

import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import { type StartWait, untilThere } from "../../events/start-wait.ts";
import type { ReadModelReader, ReadModelVersion, ReadModelWriter } from "../read-model.ts";
import type { ReadModelStore, Rebuild, WriterLock } from "../read-model-store.ts";
import { applicationName, holderSettings, releaseLocks, takeWriterLock } from "./advisory-locks.ts";
import type { DatabaseAddress } from "./database-address.ts";
import { type Migration, migrate, migrationsOf } from "./migrations.ts";
import { rebuildSchema, servingSchema } from "./model-statements.ts";
import { PostgresReadModelReader } from "./postgres-read-model-reader.ts";
import { PostgresReadModelWriter } from "./postgres-read-model-writer.ts";
import { MustStartAgain, whyAway } from "./server-error.ts";
import { PostgresSession, type PostgresSessionOptions } from "./session.ts";

export interface PostgresReadModelStoreOptions {
  readonly database: DatabaseAddress;
  readonly version: ReadModelVersion;
  readonly clock: Clock;
  readonly random: Random;
  /** Of a process that starts; without it a server that is away is an error at once, for readers at the first read. */
  readonly startWait?: StartWait | undefined;
  /** Default: those of this release. */
  readonly migrations?: readonly Migration[];
}

const STATEMENT_TIMEOUT_MS = 10_000;

export class PostgresReadModelStore implements ReadModelStore {
  readonly name: string;
  readonly #options: PostgresReadModelStoreOptions;
  readonly #where: string;
  /** Holds the writer's lock; undefined while this store does not. */
  #lockSession: PostgresSession | undefined;

  constructor(options: PostgresReadModelStoreOptions) {
    this.#options = options;
    this.name = `quotes-${options.version}`;
    this.#where = `read model ${this.name} on postgres ${options.database.label}`;
  }

  async lock(): Promise<{ readonly lock: WriterLock } | { readonly holder: string }> {
    const { version } = this.#options;
    let holder: string | undefined;
    const session = this.#session("lock", {
      settings: holderSettings,
      setUp: async (client) => {
        holder = await takeWriterLock(client, version);
        if (holder === undefined) return;
        throw new MustStartAgain(
          `${this.#where}: the connection that held the right to write was lost, and ${holder} has it now`,
        );
      },
    });
    try {
      await this.#connected(session);
    } catch (error) {
      await session.close();
      if (holder !== undefined) return { holder };
      throw error;
    }
    this.#lockSession = session;
    const release = async () => {
      this.#lockSession = undefined;
      if (session.isConnected) await session.run(releaseLocks).catch(() => {});
      await session.close();
    };
    return { lock: { release } };
  }

  async openWriter(): Promise<ReadModelWriter> {
    return this.#openWriter(servingSchema(this.#options.version), false);
  }

  async beginRebuild(): Promise<Rebuild> {
    const writer = await this.#openWriter(rebuildSchema(this.#options.version), true);
    return { writer, switchOver: () => writer.switchOver() };
  }

  async openReader(): Promise<ReadModelReader> {
    if (this.#options.startWait !== undefined) {
      // Its own connections are made when they are needed; this one finds out whether they could be.
      const session = this.#session("reader", {});
      try {
        await this.#connected(session);
      } finally {
        await session.close();
      }
    }
    return new PostgresReadModelReader({
      ...this.#options,
      name: this.name,
      where: this.#where,
      applicationName: applicationName(this.name, "reader"),
      session: (hooks) => this.#session("listener", hooks),
    });
  }

  async #openWriter(schema: string, fromNothing: boolean): Promise<PostgresReadModelWriter> {
    const { version, migrations = migrationsOf(version) } = this.#options;
    // A session of its own: an index on a large table may take long.
    const migrating = this.#session("migrations", { statementTimeoutMs: 0 });
    try {
      await migrating.run((client) => migrate(client, { schema, version, migrations, fromNothing }));
    } finally {
      await migrating.close();
    }
    const writer = new PostgresReadModelWriter({
      name: this.name,
      version,
      schema,
      // Confirmed commits must last: what is applied is not asked for again.
      session: this.#session("writer", { settings: { synchronous_commit: "on" } }),
      holdLock: () => this.#holdLock(),
    });
    await writer.checkpoint();
    return writer;
  }

  async #holdLock(): Promise<void> {
    const session = this.#lockSession;
    if (session !== undefined && !session.isConnected) await session.run(async () => {});
  }

  #session(role: string, options: Partial<PostgresSessionOptions>): PostgresSession {
    const { database, clock } = this.#options;
    const settings = { application_name: applicationName(this.name, role), ...options.settings };
    const common = { database, clock, where: this.#where, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
    return new PostgresSession({ ...common, ...options, settings });
  }

  /** Connects, and waits for the server as a process that starts does. */
  async #connected(session: PostgresSession): Promise<void> {
    const { database, clock, startWait = { waitMs: 0 } } = this.#options;
    const attempt = () => session.run(async () => {});
    const name = `postgres at ${database.label}`;
    const advice = "start it, or set DATABASE_URL to where it is";
    await untilThere({ name, advice, attempt, whyAway }, clock, startWait);
  }
}
