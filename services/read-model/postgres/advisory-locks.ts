// The advisory locks of the read models: one for each model's writer, held as long as the projector lives, and one for
// each model's migrations, held for a transaction. They are the server's, so they end with the session however that
// ends, and they need no table. Advisory locks count within one database.

import { hostname } from "node:os";
import type { Client } from "pg";
import type { ReadModelVersion } from "../read-model.ts";
import { codeOf } from "./server-error.ts";

/** "FERR": the first key of every lock of ours. */
const FAMILY = 0x46455252;
/** The second key. */
const WRITER: Readonly<Record<ReadModelVersion, number>> = { v1: 1, v2: 2 };
const MIGRATIONS: Readonly<Record<ReadModelVersion, number>> = { v1: 101, v2: 102 };

/** The session of a process that ended just now may live on until its last statement is through. */
const PATIENCE = "1s";
const LOCK_NOT_AVAILABLE = "55P03";

/** Settings of a session that holds a lock: one whose host vanished without a word is forgotten within 25 s. */
export const holderSettings: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
  lock_timeout: PATIENCE,
};

/** What a session calls itself, so that a refused process can name the holder; Postgres keeps 63 characters of it. */
export function applicationName(modelName: string, role: string): string {
  return `ferry ${modelName} ${role} ${process.pid}@${hostname()}`.slice(0, 63);
}

/** Takes the writer's lock for the session of `client`, or tells who holds it, as `process 4711 on host-b`. */
export async function takeWriterLock(client: Client, version: ReadModelVersion): Promise<string | undefined> {
  try {
    await client.query("SELECT pg_advisory_lock($1, $2)", [FAMILY, WRITER[version]]);
    return undefined;
  } catch (error) {
    if (codeOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    return holderOf(client, version);
  }
}

/** Gives back what the session holds, sooner than its end would. */
export async function releaseLocks(client: Client): Promise<void> {
  await client.query("SELECT pg_advisory_unlock_all()");
}

/** Waits for the lock; it ends with the transaction that `client` is in. */
export async function takeMigrationLock(client: Client, version: ReadModelVersion): Promise<void> {
  await client.query("SELECT pg_advisory_xact_lock($1, $2)", [FAMILY, MIGRATIONS[version]]);
}

async function holderOf(client: Client, version: ReadModelVersion): Promise<string> {
  const { rows } = await client.query<{ application_name: string }>(
    `SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = $2 AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [FAMILY, WRITER[version]],
  );
  const name = rows[0]?.application_name ?? "";
  const [, pid, host] = / (\d+)@(.*)$/.exec(name) ?? [];
  if (pid === undefined) return name === "" ? "another process" : `the session "${name}"`;
  // The name may have been cut.
  return hostname().startsWith(host ?? "") ? `process ${pid}` : `process ${pid} on ${host}`;
}
