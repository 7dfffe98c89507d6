import { eventLogCrashSuite } from "../event-log-crash.suite.ts";
import { sqliteLogFixture } from "../testing/sqlite-log-fixture.ts";

eventLogCrashSuite("SQLite", sqliteLogFixture);
