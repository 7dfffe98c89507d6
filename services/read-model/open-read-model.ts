// The one place that knows which kinds of read models there are. Called by the mains of the projector and of
// quote-query.

import { join } from "node:path";
import { systemClock } from "../../common/clock.ts";
import { systemRandom } from "../../common/random.ts";
import type { ReadModelVersion } from "./read-model.ts";
import type { ReadModelStore } from "./read-model-store.ts";
import { SqliteReadModelStore } from "./sqlite/sqlite-read-model-store.ts";

export interface ReadModelChoice {
  /** FERRY_READ_MODEL. */
  readonly readModel: "sqlite";
  /** FERRY_HOME: models are in its folder `read-models`. */
  readonly home: string;
  /** FERRY_VERSION. */
  readonly version: ReadModelVersion;
}

/** Touches nothing yet; its methods do. A reader: `(await openReadModel(choice)).openReader()`. */
export async function openReadModel({ home, version }: ReadModelChoice): Promise<ReadModelStore> {
  const folder = join(home, "read-models");
  return new SqliteReadModelStore({ folder, version, clock: systemClock, random: systemRandom });
}
