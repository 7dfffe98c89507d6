// Settings of a process: a table of rows, read once at the start from the environment. Used by every */settings.ts; the
// same rows make `--help` and the reference page. Guarantees: all problems are found in one go; a FERRY_* variable that
// no row knows is a problem too, since a misspelt setting that is silently ignored is found only in production.

import { nearestName } from "./nearest-name.ts";

/** One setting. The value's type is what `parse` gives, or what `fallback` is. */
export interface SettingRow<T> {
  /** The variable's name, as FERRY_HOME. */
  readonly env: string;
  /** Text to value; throws an Error whose message is the expected form, as `a duration such as 250ms`. */
  readonly parse: (text: string) => T;
  /** The value when the variable is unset or empty; undefined: the setting is required; null: it may be absent. */
  readonly fallback: T | undefined;
  /** As ms or bytes, for people who read the table. */
  readonly unit?: string;
  /** One sentence: what it does and why one would change it. */
  readonly doc: string;
}

export type SettingRows = Readonly<Record<string, SettingRow<unknown>>>;

/** What the rows give when all is well. */
export type SettingsOf<R extends SettingRows> = {
  readonly [K in keyof R]: R[K] extends SettingRow<infer T> ? T : never;
};

export interface SettingProblem {
  readonly env: string;
  /** As given; undefined: not set although it must be. */
  readonly value: string | undefined;
  readonly expected: string;
}

export type SettingsResult<R extends SettingRows> =
  | { readonly settings: SettingsOf<R> }
  | { readonly problems: readonly SettingProblem[] };

/**
 * Reads `rows` from `env`. An empty variable counts as unset. `foreign` names variables that other processes in the
 * same environment read (see setting-names.ts); every further FERRY_* variable is a problem. The settings are frozen.
 */
export function readSettings<const R extends SettingRows>(
  rows: R,
  env: NodeJS.ProcessEnv,
  foreign: readonly string[] = [],
): SettingsResult<R> {
  const problems: SettingProblem[] = [];
  const settings: Record<string, unknown> = {};
  for (const [key, row] of Object.entries(rows)) {
    const text = env[row.env]?.trim() ?? "";
    if (text !== "") {
      try {
        settings[key] = row.parse(text);
      } catch (error) {
        problems.push({ env: row.env, value: text, expected: error instanceof Error ? error.message : String(error) });
      }
    } else if (row.fallback === undefined) {
      problems.push({ env: row.env, value: undefined, expected: row.doc });
    } else {
      settings[key] = row.fallback;
    }
  }
  const known = [...Object.values(rows).map((row) => row.env), ...foreign];
  problems.push(...unknownNames(env, known));
  if (problems.length > 0) return { problems };
  return { settings: Object.freeze(settings) as SettingsOf<R> };
}

/** `ferry run` tells its command where each upstream is by such a name; they are read, but no setting of ours. */
const upstreamAddressPrefix = "FERRY_UPSTREAM_";

function unknownNames(env: NodeJS.ProcessEnv, known: readonly string[]): SettingProblem[] {
  const problems: SettingProblem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("FERRY_") || known.includes(name) || value === undefined) continue;
    if (name.startsWith(upstreamAddressPrefix)) continue;
    const nearest = nearestName(name, known);
    const expected = nearest === undefined ? "no setting has this name" : `no such setting; did you mean ${nearest}?`;
    problems.push({ env: name, value, expected });
  }
  return problems;
}

/** The problems as one line for people: `FERRY_DRAIN_GRACE="soon": expected a duration …; FERRY_APP is not set: …`. */
export function describeProblems(problems: readonly SettingProblem[]): string {
  return problems
    .map(({ env, value, expected }) => {
      if (value === undefined) return `${env} is not set: ${expected}`;
      return `${env}="${value}": ${expected.startsWith("no ") ? expected : `expected ${expected}`}`;
    })
    .join("; ");
}

// Parsers for the rows. Each throws an Error whose message is the expected form and nothing else.
/** Where to listen or dial; `host` of an IPv6 address comes without its brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `250ms`, `30s`, `1.5s`, `5m`, `1h` or `0` to milliseconds. */
export function parseDurationMs(text: string): number {
  if (text === "0") return 0;
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h)$/.exec(text);
  const unit = MS_PER_UNIT[match?.[2] ?? ""];
  if (match === null || unit === undefined) throw new Error("a duration with its unit, as 250ms, 30s or 5m");
  return Number(match[1]) * unit;
}

/** `127.0.0.1:8080`, `localhost:0`, `[::1]:8080`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65_535)) throw new Error("an address host:port, as 127.0.0.1:8080");
  return { host, port };
}

/** The address as text: what `parseAddress` reads. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A whole number from `min` to `max`, both included. */
export function parseInteger(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new Error(`a whole number from ${min} to ${max}`);
    return value;
  };
}

/** One of `words`, exactly. */
export function parseOneOf<const W extends string>(...words: readonly W[]): (text: string) => W {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new Error(words.length === 1 ? `${words[0]}` : `one of ${words.join(", ")}`);
    return word;
  };
}

/** Any text; settings are trimmed before. */
export function parseText(text: string): string {
  return text;
}

/** `a,b, c` to its parts; empty parts are not allowed. */
export function parseList(text: string): readonly string[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.includes("")) throw new Error("a list with commas, as a,b,c");
  return parts;
}
