// SQLite read models for tests: each in a folder of its own under the system's temporary folder.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../common/clock.ts";
import { systemRandom } from "../../../common/random.ts";
import type { ReadModelVersion } from "../read-model.ts";
import { SqliteReadModelStore } from "../sqlite/sqlite-read-model-store.ts";
import type { ModelFixture } from "./model-fixture.ts";

export async function sqliteModelFixture(version: ReadModelVersion): Promise<ModelFixture & { folder: string }> {
  const home = mkdtempSync(join(tmpdir(), "ferry-models-"));
  const folder = join(home, "read-models");
  return {
    folder,
    store: () => new SqliteReadModelStore({ folder, version, clock: systemClock, random: systemRandom }),
    remove: async () => rmSync(home, { recursive: true, force: true }),
  };
}
