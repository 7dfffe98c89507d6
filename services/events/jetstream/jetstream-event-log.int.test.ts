// The event log on a real nats-server: both suites.

import { afterAll, beforeAll } from "vitest";
import { type NatsServer, startNats } from "../../../e2e/testing/nats-server.ts";
import { eventLogSuite } from "../event-log.suite.ts";
import { eventLogCrashSuite } from "../event-log-crash.suite.ts";
import { jetStreamLogFixture } from "../testing/nats-fixture.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server?.remove());

eventLogSuite("NATS JetStream", () => jetStreamLogFixture(server));
eventLogCrashSuite("NATS JetStream", () => jetStreamLogFixture(server));
