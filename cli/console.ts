// Where a command's output goes. For people everything is on stdout, except errors; with --json people's lines move to
// stderr and stdout has JSON lines only. Every command takes one of these instead of writing by itself.

import { eventLine, resultLine } from "../common/json-output.ts";

export interface Console {
  readonly isJson: boolean;
  /** A line for people about what is going on. */
  say(line: string): void;
  /** A line for people that went wrong; always on stderr. */
  warn(line: string): void;
  /** A line of the command's own output, as one message of a stream. Not printed with --json. */
  print(line: string): void;
  /** An event of a long-running command; printed with --json only. */
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
  /** The command's last word; printed with --json only. */
  result(ok: boolean, fields: Readonly<Record<string, unknown>>): void;
}

/** `command` is the name that the result states, as `up`. */
export function openConsole(command: string, isJson: boolean): Console {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  const err = (line: string) => process.stderr.write(`${line}\n`);
  return {
    isJson,
    say: isJson ? err : out,
    warn: err,
    print: isJson ? () => {} : out,
    event: isJson ? (name, fields) => out(eventLine(name, fields)) : () => {},
    result: isJson ? (ok, fields) => out(resultLine(command, ok, fields)) : () => {},
  };
}

/** Rows as columns of equal width, two spaces apart; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    });
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
