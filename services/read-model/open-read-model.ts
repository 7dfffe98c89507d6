// The one place that knows which kinds of read models there are. Called by the mains of the projector and of
// quote-query. Postgres and its driver are loaded only when they are chosen.

import { join } from "node:path";
import { systemClock } from "../../common/clock.ts";
import { systemRandom } from "../../common/random.ts";
import type { StartWait } from "../events/start-wait.ts";
import type { ReadModelVersion } from "./read-model.ts";
import type { ReadModelStore } from "./read-model-store.ts";
import { SqliteReadModelStore } from "./sqlite/sqlite-read-model-store.ts";

export interface ReadModelChoice {
  /** FERRY_READ_MODEL. */
  readonly readModel: "sqlite" | "postgres";
  /** FERRY_HOME: SQLite models are in its folder `read-models`. */
  readonly home: string;
  /** DATABASE_URL: where Postgres is. */
  readonly databaseUrl?: string | null;
  /** FERRY_VERSION. */
  readonly version: ReadModelVersion;
}

/**
 * Touches nothing yet; its methods do. A reader: `(await openReadModel(choice)).openReader()`. With `startWait` the
 * first of them waits for a server, and rejects with one sentence when it does not come or does not let us in. Rejects
 * with one sentence when a setting that the kind needs is missing or wrong.
 */
export async function openReadModel(choice: ReadModelChoice, startWait?: StartWait): Promise<ReadModelStore> {
  const { readModel, home, version, databaseUrl } = choice;
  const common = { version, clock: systemClock, random: systemRandom };
  if (readModel === "sqlite") return new SqliteReadModelStore({ folder: join(home, "read-models"), ...common });
  const [{ PostgresReadModelStore }, { parseDatabaseUrl }] = await Promise.all([
    import("./postgres/postgres-read-model-store.ts"),
    import("./postgres/database-address.ts"),
  ]);
  return new PostgresReadModelStore({ database: parseDatabaseUrl(databaseUrl), startWait, ...common });
}
