// Errors of the JetStream log. Two kinds: the server is away (LogUnavailable: try again), or a person has to do
// something (LogRefused: fatal at the start of a process, unavailable with the same sentence later).

import { LogUnavailable } from "../event-log.ts";

/** The server is there but will not do: too old, without JetStream, wrong credentials, another kind of stream. */
export class LogRefused extends Error {
  override readonly name = "LogRefused";
}

/**
 * What the NATS client threw, as LogUnavailable with `where` before it; a bug of ours and our own errors stay what they
 * are.
 */
export function unavailable(where: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LogUnavailable || error instanceof LogRefused) return error;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) return error;
  return new LogUnavailable(`${where}: ${reasonOf(error)}`, { cause: error });
}

/** The client's own texts are terse: `timeout`, `CONNECTION_REFUSED`, or nothing at all. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const causes = error instanceof AggregateError ? error.errors.map(reasonOf).join(", ") : "";
  if (error.message === "timeout") return "no answer in time";
  return error.message || causes || error.name;
}
