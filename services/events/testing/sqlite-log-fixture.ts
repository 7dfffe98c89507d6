// SQLite logs for tests: each in a folder of its own under the system's temporary folder.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../common/clock.ts";
import { systemRandom } from "../../../common/random.ts";
import type { EventLog } from "../event-log.ts";
import { SqliteEventLog } from "../sqlite/sqlite-event-log.ts";
import type { LogFixture } from "./log-fixture.ts";

/** Opens the log in the file `argument`; also what worker processes import. */
export async function openLog(argument: string): Promise<EventLog> {
  return new SqliteEventLog({ file: argument, clock: systemClock, random: systemRandom });
}

export async function sqliteLogFixture(): Promise<LogFixture & { readonly file: string }> {
  const folder = mkdtempSync(join(tmpdir(), "ferry-events-"));
  const file = join(folder, "events.db");
  const opened: EventLog[] = [];
  return {
    file,
    module: new URL(import.meta.url),
    argument: file,
    async open() {
      const log = await openLog(file);
      opened.push(log);
      return log;
    },
    async remove() {
      await Promise.all(opened.map((log) => log.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
