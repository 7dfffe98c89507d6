// What a NATS server must be able to do for the event log, judged by what it says of itself when we connect. Old
// servers ignore what they do not know without a word, so it is asked before, not noticed after. Pure; called by
// session.ts and `ferry events`.

/** The part of the server's greeting that counts. */
export interface ServerGreeting {
  /** As `2.15.2` or `2.16.0-dev`. */
  readonly version: string;
  readonly headers?: boolean;
  readonly jetstream?: boolean;
}

/** 2.10: stream compression and metadata, and `sync_interval`; 2.9 lets two writers both win in a cluster. */
const OLDEST_SERVER = [2, 10] as const;

/** One sentence: what is missing and what to do; undefined when all is there. */
export function missingInServer(greeting: ServerGreeting): string | undefined {
  const [major = 0, minor = 0] = greeting.version.split(".").map((part) => Number.parseInt(part, 10));
  const [oldestMajor, oldestMinor] = OLDEST_SERVER;
  if (!(major > oldestMajor || (major === oldestMajor && minor >= oldestMinor))) {
    return `nats-server ${greeting.version} is too old; version ${OLDEST_SERVER.join(".")} or newer is needed`;
  }
  if (greeting.headers !== true) return "the server has message headers switched off; remove `no_header_support`";
  if (greeting.jetstream !== true) return withoutJetStream;
  return undefined;
}

/** Also said when the server has JetStream, but our account has not. */
export const withoutJetStream =
  "JetStream is not enabled; start nats-server with `-js -sd <folder>`, or enable it for this account";
