// The settings of the event log: which one, and where. Rows of quote-command's and quote-projector's tables, and all
// that `ferry events` reads.

import { settingNames } from "../../common/setting-names.ts";
import { describeProblems, parseInteger, parseOneOf, parseText, readSettings } from "../../common/settings.ts";

export const eventLogRows = {
  events: {
    env: "FERRY_EVENTS",
    parse: parseOneOf("sqlite", "nats"),
    fallback: "sqlite" as "sqlite" | "nats",
    doc: "which event log there is: a file in FERRY_HOME, or a stream of NATS JetStream",
  },
  natsUrl: {
    env: "NATS_URL",
    parse: parseText,
    fallback: "nats://127.0.0.1:4222",
    doc: "the NATS servers, as nats://host:port or tls://user:password@host:port, several with commas",
  },
  natsCreds: {
    env: "NATS_CREDS",
    parse: parseText,
    fallback: null as string | null,
    doc: "a file with NATS credentials (JWT and seed), for servers that ask for them",
  },
  eventStream: {
    env: "FERRY_EVENTS_STREAM",
    parse: parseStreamName,
    fallback: "QUOTER_EVENTS",
    doc: "the JetStream stream; its subjects are the name in lower case with dots, as quoter.events.*",
  },
  eventReplicas: {
    env: "FERRY_EVENTS_REPLICAS",
    parse: parseInteger(1, 5),
    fallback: 1 as number,
    doc: "how many servers keep the stream; 3 in a cluster, so that one may be lost",
  },
  eventMaxBytes: {
    env: "FERRY_EVENTS_MAX_BYTES",
    parse: parseInteger(1024 * 1024, 1e15),
    fallback: (4 * 1024 ** 3) as number,
    unit: "bytes",
    doc: "how large the stream may become; a full one refuses commands rather than forget events",
  },
} as const;

/** Capital letters, digits and single `_` between them: the subjects are made from it, and must not collide. */
function parseStreamName(text: string): string {
  if (!/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(text) || text.length > 64) {
    throw new Error("a name of capital letters, digits and _, as QUOTER_EVENTS");
  }
  return text;
}

/** What `ferry events` needs. Throws an Error that names all that is wrong. */
export function readEventStreamSettings(env: NodeJS.ProcessEnv = process.env) {
  const { events: _, ...rows } = eventLogRows;
  const read = readSettings(rows, env, settingNames);
  if ("problems" in read) throw new Error(describeProblems(read.problems));
  return read.settings;
}
