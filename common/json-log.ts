// The log of every process: one JSON object a line on stderr, so that stdout stays free for the ready line and a
// log collector needs no pattern. Called by mains and by what they build. Never logs a request's payload.

import { systemClock } from "./clock.ts";

export type LogFields = Record<string, unknown>;

export interface JsonLog {
  info(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

const levels = { error: 0, info: 1, debug: 2 } as const;

export type LogLevel = keyof typeof levels;

/**
 * A log whose lines carry `component`. Lines above `level` (default `info`) are dropped; `write` (default: stderr) gets
 * each line with its newline.
 */
export function jsonLog(
  component: string,
  level: LogLevel = "info",
  write: (line: string) => void = (line) => void process.stderr.write(line),
): JsonLog {
  const at = (own: LogLevel) => {
    if (levels[own] > levels[level]) return () => {};
    return (message: string, fields?: LogFields) => {
      const time = new Date(systemClock.wallMs()).toISOString();
      write(`${JSON.stringify({ time, level: own, component, message, ...fields }, readable)}\n`);
    };
  };
  return { info: at("info"), error: at("error"), debug: at("debug") };
}

/** Errors and bigints are what JSON.stringify loses or refuses. */
function readable(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  return { name: value.name, message: value.message, stack: value.stack, cause: value.cause };
}
