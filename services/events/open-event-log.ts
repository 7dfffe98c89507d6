// The one place that knows which event logs there are. Called by the mains of the services with what their settings
// say.

import { join } from "node:path";
import { systemClock } from "../../common/clock.ts";
import { systemRandom } from "../../common/random.ts";
import type { EventLog } from "./event-log.ts";
import { SqliteEventLog } from "./sqlite/sqlite-event-log.ts";

export interface EventLogChoice {
  /** FERRY_EVENTS. */
  readonly events: "sqlite";
  /** FERRY_HOME: the folder of `events.db`. */
  readonly home: string;
}

/** Opens the log. A log that cannot be reached now is no error here: its methods throw LogUnavailable until it can. */
export async function openEventLog(choice: EventLogChoice): Promise<EventLog> {
  return new SqliteEventLog({ file: join(choice.home, "events.db"), clock: systemClock, random: systemRandom });
}
