// The flags of the scripts that `npm run` starts beside `ferry` (attack, fuzz:http2, soak:proxy, the plays of e2e/):
// Node's parseArgs, with a mistake as one sentence on stderr and exit code 2, before anything is begun. A number that
// is none must not pass for a run that found nothing.

import { type ParseArgsConfig, parseArgs } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Called wrongly: what to say. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** The script's flags as parseArgs gives them; ends the process when they are wrong. */
export function readFlags<const O extends Options>(script: string, options: O) {
  return orExit(script, () => parseFlags(process.argv.slice(2), options));
}

/** The number that `--flag` states; ends the process when it is none from `min` to `max`. */
export function readNumberFlag(script: string, flag: string, range: NumberRange): number {
  return orExit(script, () => parseNumber(flag, range));
}

export interface NumberRange {
  readonly text: string;
  readonly min: number;
  readonly max: number;
  /** Default: false. */
  readonly isWhole?: boolean;
}

/** Throws FlagError. */
export function parseFlags<const O extends Options>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // What follows in Node's words is about positional arguments, which no script takes.
    const [what = ""] = error.message.split(/\.\s|\.$|\n/);
    const names = Object.keys(options).map((name) => `--${name}`);
    throw new FlagError(`${what}; there are ${names.join(", ")}`);
  }
}

/** Throws FlagError. */
export function parseNumber(flag: string, { text, min, max, isWhole = false }: NumberRange): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value;
  throw new FlagError(`--${flag} ${text}: expected a ${isWhole ? "whole " : ""}number from ${min} to ${max}`);
}

/** What `read` gives; ends the process with a sentence when that throws FlagError. */
export function orExit<T>(script: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    console.error(`${script}: ${error.message}`);
    process.exit(2);
  }
}
