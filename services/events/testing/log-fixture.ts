// What event-log.suite.ts needs of an implementation, and how its worker processes open the same log.

import type { EventLog } from "../event-log.ts";

/** A fresh, empty log. */
export interface LogFixture {
  /** One more connection to it, as another process would have. */
  open(): Promise<EventLog>;
  /** A module that exports `openLog: (argument: string) => Promise<EventLog>`, for processes of their own. */
  readonly module: URL;
  readonly argument: string;
  /** Closes what `open` gave and removes the log. */
  remove(): Promise<void>;
}

/** What the module of a fixture exports. */
export interface LogModule {
  readonly openLog: (argument: string) => Promise<EventLog>;
}
