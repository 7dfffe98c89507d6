// What errors of the driver mean. Used by the session, the lock and the reader of the Postgres read model. Messages
// name the model and the server; they never carry rows or the address with its password.

import { ReadModelUnavailable } from "../read-model-store.ts";

/** Going on would write wrong rows or write beside another process; the process must end, and may be started again. */
export class MustStartAgain extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MustStartAgain";
  }
}

/** What the statements need; older ones are no longer maintained either. */
const OLDEST_SERVER = 14;

/** One sentence, or undefined when `serverVersion`, as `15.6 (Debian 15.6-1)`, will do or is not told. */
export function tooOldServer(serverVersion: string | undefined): string | undefined {
  const major = Number.parseInt(serverVersion ?? "", 10);
  if (Number.isNaN(major) || major >= OLDEST_SERVER) return undefined;
  return `the server is version ${serverVersion}; ${OLDEST_SERVER} or newer is needed`;
}

/** What a person does about an error that time does not mend, by SQLSTATE. */
const advice: Readonly<Record<string, string>> = {
  "28P01": "set the user and password in DATABASE_URL",
  "28000": "set a user whom the server lets in (its pg_hba.conf) in DATABASE_URL, perhaps with ?sslmode=require",
  "3D000": "make it (CREATE DATABASE), or set another in DATABASE_URL",
  "42501": "docs/how-to/postgres.md says what each role may do",
  "25006": "set the primary server in DATABASE_URL, not a standby",
};

/** SQLSTATE of an error of the server, or the system's code, as ECONNREFUSED; undefined for others. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** `where`: as `read model quotes-v1 on postgres 127.0.0.1:5432/ferry`. Errors that say it already stay as they are. */
export function asUnavailable(where: string, error: unknown): Error {
  if (error instanceof ReadModelUnavailable || error instanceof MustStartAgain) return error;
  const remedy = advice[codeOf(error) ?? ""];
  const message = remedy === undefined ? messageOf(error) : `${messageOf(error)}; ${remedy}`;
  const mayRebuildHelp = remedy === undefined && whyAway(error) === undefined;
  return new ReadModelUnavailable(`${where}: ${message}`, { cause: error, mayRebuildHelp });
}

/** No schema or no table of ours yet: the projector has not run. */
export function isMissingModel(error: unknown): boolean {
  return ["42P01", "3F000"].includes(codeOf(error) ?? "");
}

/** Why the server is not there, not yet, no longer, or full, so that time may help; undefined: it does not. */
export function whyAway(error: unknown): string | undefined {
  const cause = error instanceof ReadModelUnavailable ? error.cause : error;
  const code = codeOf(cause);
  // Classes 08 (connection) and 57P (shutting down, crashed, starting up), 53300 (too many connections); E… and EAI_…
  // come from the system, ERR_… from Node, which found something wrong.
  const isAway =
    code === undefined
      ? cause instanceof Error &&
        /Connection terminated|timeout (expired|exceeded)|Query read timeout/i.test(cause.message)
      : /^(08|57P0[1-3]|53300|E(?!RR_)[A-Z])/.test(code);
  return isAway ? messageOf(cause) : undefined;
}

/** Whether a connection that had worked ended under a statement. */
export function isCutOff(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) return ["57P01", "57P02", "ECONNRESET", "EPIPE"].includes(code);
  return error instanceof Error && error.message.startsWith("Connection terminated");
}

function messageOf(error: unknown): string {
  // Node tried several addresses of one name; its message is empty then.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  if (!(error instanceof Error)) return String(error);
  // The driver's own sentences say little.
  if (error.message === "timeout expired") return "no answer in time";
  if (error.message === "The server does not support SSL connections") {
    return "the server does not speak TLS; leave sslmode out of DATABASE_URL";
  }
  if (error.message.includes("client password must be a")) {
    return `the server asks for a password; ${advice["28P01"]}`;
  }
  return error.message || (codeOf(error) ?? error.name);
}
