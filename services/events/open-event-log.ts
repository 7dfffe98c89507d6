// The one place that knows which event logs there are. Called by the mains of the services with what their settings
// say.

import { join } from "node:path";
import { systemClock } from "../../common/clock.ts";
import { systemRandom } from "../../common/random.ts";
import type { EventLog } from "./event-log.ts";
import { SqliteEventLog } from "./sqlite/sqlite-event-log.ts";
import type { StartWait } from "./start-wait.ts";

/** What the settings say; settings.ts has the table. */
export type EventLogChoice = SqliteChoice | (JetStreamChoice & { readonly events: "nats" | "sqlite" });

export interface SqliteChoice {
  readonly events: "sqlite";
  /** FERRY_HOME: the folder of `events.db`. */
  readonly home: string;
}

export interface JetStreamChoice {
  readonly home: string;
  readonly natsUrl: string;
  /** A file with credentials. */
  readonly natsCreds: string | null;
  readonly eventStream: string;
  readonly eventReplicas: number;
  readonly eventMaxBytes: number;
}

/**
 * Opens the log; one on a server is waited for as `startWait` says, and throws one sentence when it did not come.
 * Without `startWait` a log that cannot be reached now is no error here: its methods throw LogUnavailable until it can.
 * One that a person has to put right first throws one sentence with what to do.
 */
export async function openEventLog(choice: EventLogChoice, startWait?: StartWait): Promise<EventLog> {
  if (choice.events === "nats") return openJetStream(choice, startWait);
  return new SqliteEventLog({ file: join(choice.home, "events.db"), clock: systemClock, random: systemRandom });
}

/** The NATS client is loaded only by those who use it: it costs start-up time and memory. */
async function openJetStream(choice: JetStreamChoice, startWait: StartWait | undefined): Promise<EventLog> {
  const { parseNatsUrl } = await import("./jetstream/nats-address.ts");
  const { readNatsCreds } = await import("./jetstream/nats-creds.ts");
  const { JetStreamEventLog } = await import("./jetstream/jetstream-event-log.ts");
  const { natsUrl, natsCreds, eventStream, eventReplicas, eventMaxBytes } = choice;
  return JetStreamEventLog.open({
    address: parseNatsUrl(natsUrl),
    ...(natsCreds === null ? {} : { credentials: await readNatsCreds(natsCreds) }),
    stream: { name: eventStream, replicas: eventReplicas, maxBytes: eventMaxBytes },
    clock: systemClock,
    random: systemRandom,
    startWait,
  });
}
