// JetStream logs for tests, on a server of e2e/testing/nats-server.ts; each log has a stream of its own.

import { systemClock } from "../../../common/clock.ts";
import { systemRandom } from "../../../common/random.ts";
import type { NatsServer } from "../../../e2e/testing/nats-server.ts";
import { JetStreamEventLog } from "../jetstream/jetstream-event-log.ts";
import { parseNatsUrl } from "../jetstream/nats-address.ts";
import { connectTo } from "../jetstream/session.ts";
import type { LogFixture } from "./log-fixture.ts";

let logs = 0;

/** A name that no other log of these tests has. */
export function newStreamName(): string {
  return `TEST_${process.pid}_${++logs}`;
}

/** A new log on `server`. */
export async function jetStreamLogFixture(server: NatsServer): Promise<LogFixture & { readonly streamName: string }> {
  const streamName = newStreamName();
  const argument = JSON.stringify({ url: server.url, streamName });
  const opened: JetStreamEventLog[] = [];
  return {
    streamName,
    module: new URL(import.meta.url),
    argument,
    async open() {
      const log = await openLog(argument);
      opened.push(log);
      return log;
    },
    async remove() {
      await Promise.all(opened.map((log) => log.close()));
    },
  };
}

/** Opens the log that `argument` names; also what worker processes import. */
export async function openLog(argument: string): Promise<JetStreamEventLog> {
  const { url, streamName } = JSON.parse(argument) as { url: string; streamName: string };
  return JetStreamEventLog.open({ ...logOptions(url, streamName), clock: systemClock, random: systemRandom });
}

/** What a log and a connection beside it have in common. */
export function logOptions(url: string, streamName: string) {
  return { address: parseNatsUrl(url), stream: { name: streamName, replicas: 1, maxBytes: 256 * 1024 * 1024 } };
}

/** A connection of a stranger to the same server. */
export function connectBeside(url: string, streamName: string) {
  return connectTo({ ...logOptions(url, streamName), giveUpAfterMs: 2000 });
}
