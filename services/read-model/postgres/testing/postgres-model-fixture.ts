// Postgres read models for tests: each in a database of its own on one server.

import { systemClock } from "../../../../common/clock.ts";
import { systemRandom } from "../../../../common/random.ts";
import type { PostgresServer } from "../../../../e2e/testing/postgres-server.ts";
import type { ReadModelVersion } from "../../read-model.ts";
import type { ModelFixture } from "../../testing/model-fixture.ts";
import { parseDatabaseUrl } from "../database-address.ts";
import { PostgresReadModelStore } from "../postgres-read-model-store.ts";

export interface PostgresModelFixture extends ModelFixture {
  readonly url: string;
}

export async function postgresModelFixture(
  server: PostgresServer,
  version: ReadModelVersion,
): Promise<PostgresModelFixture> {
  const url = await server.createDatabase();
  return {
    url,
    store: () =>
      new PostgresReadModelStore({
        database: parseDatabaseUrl(url),
        version,
        clock: systemClock,
        random: systemRandom,
      }),
    // The data goes with the server.
    remove: async () => {},
  };
}
