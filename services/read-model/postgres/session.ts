// One connection to Postgres that is made when it is needed and made again after it was lost. Used by the writer, the
// lock, the migrations and the listener. Guarantees: work runs one after the other; after any error the connection is
// dropped, so that no half-done transaction stays open; errors come out as ReadModelUnavailable, a server that is too
// old as MustStartAgain.

import { Client } from "pg";
import type { Clock } from "../../../common/clock.ts";
import type { DatabaseAddress } from "./database-address.ts";
import { asUnavailable, MustStartAgain, tooOldServer } from "./server-error.ts";

export interface PostgresSessionOptions {
  readonly database: DatabaseAddress;
  /** What messages begin with, as `read model quotes-v1 on postgres 127.0.0.1:5432/ferry`. */
  readonly where: string;
  /** Postgres settings of the session, as application_name. */
  readonly settings: Readonly<Record<string, string>>;
  /** How long one statement may take before its server is given up; 0: for ever. */
  readonly statementTimeoutMs: number;
  readonly clock: Clock;
  /** Runs on each new connection before any work; what it throws fails that work. */
  readonly setUp?: (client: Client) => Promise<void>;
  /** A connection that was in use is gone. */
  readonly onLost?: () => void;
}

/** What the server tells of itself when a session begins. */
interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

const CONNECT_TIMEOUT_MS = 5000;
const GOODBYE_MS = 1000;

export class PostgresSession {
  readonly #options: PostgresSessionOptions;
  #client: Client | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: PostgresSessionOptions) {
    this.#options = options;
  }

  /** Whether there is a connection, as far as is known. */
  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  /** Runs `work` when the work before is done. Throws ReadModelUnavailable, or MustStartAgain as thrown by `work`. */
  run<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(() => this.#attempt(work));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** Ends the connection when the work at hand is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) await this.#end(client);
  }

  async #attempt<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { where } = this.#options;
    try {
      if (this.#isClosed) throw new Error("the connection was closed by us");
      this.#client ??= await this.#connect();
      return await work(this.#client);
    } catch (error) {
      this.#lose(this.#client);
      throw asUnavailable(where, error);
    }
  }

  async #connect(): Promise<Client> {
    const { where, settings, setUp } = this.#options;
    const client = this.#newClient();
    let serverVersion: string | undefined;
    client.connection.on("parameterStatus", ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName === "server_version") serverVersion = parameterValue;
    });
    // Also keeps the loss of an idle connection from ending the process.
    client.on("error", () => this.#lose(client));
    client.on("end", () => this.#lose(client));
    try {
      await client.connect();
      const tooOld = tooOldServer(serverVersion);
      if (tooOld !== undefined) throw new MustStartAgain(`${where}: ${tooOld}`);
      await client.query(
        "SELECT set_config(key, value, false) FROM unnest($1::text[], $2::text[]) AS settings (key, value)",
        [Object.keys(settings), Object.values(settings)],
      );
      await setUp?.(client);
      return client;
    } catch (error) {
      client.connection.stream.destroy();
      throw error;
    }
  }

  #newClient(): Client {
    const { where, database, statementTimeoutMs } = this.#options;
    try {
      return new Client({
        connectionString: database.url,
        keepAlive: true,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        ...(statementTimeoutMs > 0 ? { query_timeout: statementTimeoutMs } : {}),
      });
    } catch (error) {
      // A certificate's file that the address names, for instance.
      throw new MustStartAgain(`${where}: DATABASE_URL: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #lose(client: Client | undefined): void {
    if (client === undefined) return;
    client.connection.stream.destroy();
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#options.onLost?.();
  }

  /** Says goodbye, so that the server ends the session at once; a server that does not answer is left. */
  async #end(client: Client): Promise<void> {
    const timer = this.#options.clock.after(GOODBYE_MS, () => client.connection.stream.destroy());
    await client.end().catch(() => {});
    timer.cancel();
  }
}
