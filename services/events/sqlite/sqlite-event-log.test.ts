import { eventLogSuite } from "../event-log.suite.ts";
import { sqliteLogFixture } from "../testing/sqlite-log-fixture.ts";

eventLogSuite("SQLite", sqliteLogFixture);
