// Brings a model's schema to the tables that this release knows: the numbered files of migrations/, in order, each
// once. Called by the store before a writer opens. Guarantees: all pending files are applied in one transaction, under
// an advisory lock, so that processes that start together do not meet; a file that was changed after it was applied,
// and a schema of a newer release, are refused.
//
// `0002-counts.v2.sql` is for v2 only; a file without a version is for both.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Client } from "pg";
import type { ReadModelVersion } from "../read-model.ts";
import { takeMigrationLock } from "./advisory-locks.ts";

export interface Migration {
  /** As `0001-quotes.sql`. */
  readonly name: string;
  readonly sql: string;
}

const filePattern = /^\d{4}-[a-z-]+(?:\.(v\d+))?\.sql$/;

/** The migrations of this release for models of `version`, in order. */
export function migrationsOf(version: ReadModelVersion): readonly Migration[] {
  const folder = new URL("./migrations/", import.meta.url);
  const names = readdirSync(folder).filter((name) => {
    const match = filePattern.exec(name);
    return match !== null && (match[1] === undefined || match[1] === version);
  });
  return names.sort().map((name) => ({ name, sql: readFileSync(new URL(name, folder), "utf8") }));
}

export interface MigrateParams {
  readonly schema: string;
  readonly version: ReadModelVersion;
  readonly migrations: readonly Migration[];
  /** Removes what is in the schema before: for the model that a rebuild begins. */
  readonly fromNothing: boolean;
}

/** Gives the names of the files that it applied; throws when the schema is not one of this release. */
export async function migrate(client: Client, params: MigrateParams): Promise<readonly string[]> {
  const { schema, version, migrations, fromNothing } = params;
  await client.query("BEGIN");
  await takeMigrationLock(client, version);
  if (fromNothing) await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await client.query(`SET LOCAL search_path = ${schema}`);
  await client.query(`CREATE TABLE IF NOT EXISTS migrations (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
  const { rows } = await client.query<AppliedRow>("SELECT name, sha256 FROM migrations ORDER BY name");
  const pending = pendingMigrations(schema, rows, migrations);
  for (const { name, sql } of pending) {
    await client.query(sql);
    await client.query("INSERT INTO migrations (name, sha256) VALUES ($1, $2)", [name, sha256(sql)]);
  }
  await client.query("COMMIT");
  return pending.map(({ name }) => name);
}

export interface AppliedRow {
  readonly name: string;
  readonly sha256: string;
}

/** Which are still to be applied. Pure. Throws with one sentence when what was applied does not fit this release. */
export function pendingMigrations(
  schema: string,
  applied: readonly AppliedRow[],
  migrations: readonly Migration[],
): readonly Migration[] {
  applied.forEach((row, i) => {
    const ours = migrations[i];
    if (!migrations.some(({ name }) => name === row.name)) {
      throw new Error(
        `schema ${schema} has migration ${row.name}, which this release does not know: a newer one made it`,
      );
    }
    if (ours?.name !== row.name) {
      throw new Error(`schema ${schema} has migration ${row.name} without ${ours?.name}, which comes before it`);
    }
    if (sha256(ours.sql) !== row.sha256) {
      throw new Error(`migration ${row.name} was changed after schema ${schema} got it`);
    }
  });
  return migrations.slice(applied.length);
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
