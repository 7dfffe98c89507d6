// Small parts that unknown JSON is read with: each takes a value and the place where it stands, returns what it is
// worth or notes a problem. config-entry-shapes.ts is built of them. All problems of a file are found in one pass.

import { nearestName } from "../../../common/nearest-name.ts";
import { parseDuration } from "../duration.ts";
import type { Problem } from "./problem.ts";

/** Where in which file a value stands, and where problems go. */
export interface Place {
  readonly file: string;
  /** As `Splits[0].Weight`; empty at the top. */
  readonly path: string;
  readonly problems: Problem[];
}

/** Undefined: it was not what it should be, and a problem was noted. */
export type Shape<T> = (value: unknown, at: Place) => T | undefined;

export function noteProblem(at: Place, expected: string, found: unknown, suggestion = ""): undefined {
  at.problems.push({ file: at.file, path: at.path, expected, found: shown(found), suggestion });
  return undefined;
}

export function within(at: Place, step: string | number): Place {
  if (typeof step === "number") return { ...at, path: `${at.path}[${step}]` };
  const name = /^[\w-]+$/.test(step) ? step : JSON.stringify(step);
  return { ...at, path: at.path === "" ? name : `${at.path}.${name}` };
}

export const text: Shape<string> = (value, at) =>
  typeof value === "string" ? value : noteProblem(at, "text in quotes", value);

export function textLike(pattern: RegExp, expected: string): Shape<string> {
  return (value, at) => (typeof value === "string" && pattern.test(value) ? value : noteProblem(at, expected, value));
}

export function oneOf<const T extends string>(...allowed: readonly T[]): Shape<T> {
  return (value, at) => {
    if (allowed.includes(value as T)) return value as T;
    const names = allowed.filter((name) => name !== "");
    const suggestion = typeof value === "string" ? (nearestName(value, names) ?? "") : "";
    return noteProblem(at, names.length === 1 ? `"${names[0]}"` : `one of ${names.join(", ")}`, value, suggestion);
  };
}

export const flag: Shape<boolean> = (value, at) =>
  typeof value === "boolean" ? value : noteProblem(at, "true or false", value);

export function integer(min: number, max: number): Shape<number> {
  return (value, at) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? value
      : noteProblem(at, `an integer from ${min} to ${max}`, value);
}

export function number(min: number, max: number): Shape<number> {
  return (value, at) =>
    typeof value === "number" && value >= min && value <= max
      ? value
      : noteProblem(at, `a number from ${min} to ${max}`, value);
}

/** As written. A bare number would mean nanoseconds to Consul, which nobody means. */
export function duration(mayBeNegative: boolean): Shape<string> {
  const expected = mayBeNegative
    ? "a duration as 500ms or 2s, or a negative one for no limit"
    : "a duration as 500ms or 2s";
  return (value, at) => {
    if (typeof value === "number") return noteProblem(at, expected, value, `"${value}s" or "${value}ms"`);
    const ms = typeof value === "string" ? parseDuration(value) : undefined;
    if (ms !== undefined && (ms >= 0 || mayBeNegative)) return value as string;
    const bare = typeof value === "string" && /^\d+$/.test(value) ? `"${value}s" or "${value}ms"` : "";
    return noteProblem(at, expected, value, bare);
  };
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) return noteProblem(at, "a list in [ ]", value);
    const items: T[] = [];
    for (const [index, entry] of value.entries()) {
      const read = item(entry, within(at, index));
      if (read !== undefined) items.push(read);
    }
    return items;
  };
}

/** An object whose keys the writer chooses. */
export function mapOf<T>(key: RegExp, keyExpected: string, item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, at) => {
    if (!isObject(value)) return noteProblem(at, "an object in { }", value);
    const result: Record<string, T> = {};
    for (const [name, entry] of Object.entries(value)) {
      const place = within(at, name);
      if (!key.test(name) || name === "__proto__") noteProblem(place, keyExpected, name);
      const read = item(entry, place);
      if (read !== undefined) Object.defineProperty(result, name, { value: read, enumerable: true });
    }
    return result;
  };
}

/** An object with these fields and no others. What is absent stays absent. */
export function object<T extends object>(
  fields: { readonly [K in keyof T]-?: Shape<Exclude<T[K], undefined>> },
  required: readonly (keyof T & string)[] = [],
): Shape<T> {
  const names = Object.keys(fields);
  const honoured = names.filter((name) => !notHonoured.has(fields[name as keyof T] as Shape<unknown>));
  return (value, at) => {
    if (!isObject(value)) return noteProblem(at, "an object in { }", value);
    const result: Record<string, unknown> = {};
    for (const [name, entry] of Object.entries(value)) {
      if (!Object.hasOwn(fields, name)) {
        const expected = `one of the fields ${honoured.join(", ")}`;
        noteProblem(within(at, name), expected, name, nearestName(name, names) ?? "");
        continue;
      }
      // null is how Go writes an empty list or map.
      if (entry === null) continue;
      const read = fields[name as keyof T](entry, within(at, name));
      if (read !== undefined) result[name] = read;
    }
    for (const name of required) {
      if (!Object.hasOwn(value, name)) noteProblem(within(at, name), "a value", undefined);
    }
    return result as T;
  };
}

/** Any JSON, passed on as it is. */
export const anything: Shape<unknown> = (value) => value;

const notHonoured = new Set<Shape<unknown>>();

/**
 * A field that Consul knows and Ferry does not act on. It is refused, not passed over: what is written in the
 * configuration happens. Its zero value means "not set" to Consul and is allowed.
 */
export function unsupported<T = never>(): Shape<T> {
  const shape: Shape<T> = (value, at) => {
    if (isZero(value)) return undefined;
    return noteProblem(at, "this field to be absent, because Ferry does not act on it yet", value);
  };
  notHonoured.add(shape);
  return shape;
}

function isZero(value: unknown): boolean {
  if (value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as a problem shows it. */
function shown(found: unknown): string {
  if (found === undefined) return "nothing";
  const json = JSON.stringify(found) ?? String(found);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}
