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

/** SQLSTATE of an error of the server, or the system's code, as ECONNREFUSED; undefined for others. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** `where`: as `read model quotes-v1 on postgres 127.0.0.1:5432/ferry`. Errors that say it already stay as they are. */
export function asUnavailable(where: string, error: unknown): Error {
  if (error instanceof ReadModelUnavailable || error instanceof MustStartAgain) return error;
  return new ReadModelUnavailable(`${where}: ${messageOf(error)}`, { cause: error });
}

/** No schema or no table of ours yet: the projector has not run. */
export function isMissingModel(error: unknown): boolean {
  return ["42P01", "3F000"].includes(codeOf(error) ?? "");
}

/** Whether the server is not there, not yet, or no longer, so that trying again makes sense. */
export function isServerAway(error: unknown): boolean {
  const cause = error instanceof ReadModelUnavailable ? error.cause : error;
  const code = codeOf(cause);
  // Classes 08 (connection) and 57P (shutting down, crashed, starting up); E… and EAI_… come from the system.
  if (code !== undefined) return /^(08|57P0[1-3]|E[A-Z])/.test(code);
  return cause instanceof Error && /Connection terminated|timeout exceeded|Query read timeout/i.test(cause.message);
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
  return error instanceof Error ? error.message || (codeOf(error) ?? error.name) : String(error);
}
