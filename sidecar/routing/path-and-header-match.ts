// Turns the Match of a route into two tests: one on the path alone, whose answer the route table keeps per path, and
// one on the header fields, asked for each call. Consul's and Envoy's meaning: all conditions must hold, regular
// expressions must match the whole value, and a header that is missing fails every condition but Present, inverted or
// not.

import { fieldValue as firstValue, type HeaderFields } from "../http2/header-field.ts";
import type { HeaderMatch, RouteMatch } from "./discovery-chain.ts";
import { compilePattern } from "./pattern.ts";

export interface CompiledMatch {
  readonly matchesPath: (path: string) => boolean;
  /** Undefined when no header is asked for. */
  readonly matchesFields: ((fields: HeaderFields) => boolean) | undefined;
  /** What could not be compiled. Such a rule matches nothing, and the rules around it stay in force. */
  readonly problem: string | undefined;
}

export function compileMatch(match: RouteMatch | undefined): CompiledMatch {
  const http = match?.HTTP ?? {};
  const problems: string[] = [];
  const matchesPath = compilePath(http, problems);
  const tests: ((fields: HeaderFields) => boolean)[] = [];
  if (http.Methods !== undefined && http.Methods.length > 0) {
    const methods = http.Methods.map((method) => method.toUpperCase());
    tests.push((fields) => methods.includes(firstValue(fields, ":method") ?? ""));
  }
  for (const header of http.Header ?? []) tests.push(compileHeader(header, problems));
  const [first, ...more] = tests;
  if (problems.length > 0) return { matchesPath: never, matchesFields: undefined, problem: problems.join("; ") };
  const matchesFields =
    first === undefined || more.length === 0 ? first : (fields: HeaderFields) => tests.every((test) => test(fields));
  return { matchesPath, matchesFields, problem: undefined };
}

const never = () => false;

function compilePath(http: NonNullable<RouteMatch["HTTP"]>, problems: string[]): (path: string) => boolean {
  const fold = http.CaseInsensitive === true ? (text: string) => text.toLowerCase() : (text: string) => text;
  if (http.PathExact !== undefined && http.PathExact !== "") {
    const exact = fold(http.PathExact);
    return (path) => fold(path) === exact;
  }
  if (http.PathPrefix !== undefined && http.PathPrefix !== "") {
    const prefix = fold(http.PathPrefix);
    return (path) => fold(path).startsWith(prefix);
  }
  if (http.PathRegex !== undefined && http.PathRegex !== "") {
    const source = http.CaseInsensitive === true ? `(?i:${http.PathRegex})` : http.PathRegex;
    return compileRegex(source, "PathRegex", problems);
  }
  return () => true;
}

function compileRegex(source: string, where: string, problems: string[]): (value: string) => boolean {
  const pattern = compilePattern(source, "whole");
  if (pattern.ok) return pattern.test;
  problems.push(`${where} "${source}": ${pattern.error}`);
  return never;
}

function compileHeader(header: HeaderMatch, problems: string[]): (fields: HeaderFields) => boolean {
  const name = header.Name.toLowerCase();
  const isInverted = header.Invert === true;
  const test = headerTest(header, problems);
  if (test === undefined) return (fields) => (firstValue(fields, name) !== undefined) !== isInverted;
  return (fields) => {
    const value = joinedValue(fields, name);
    return value !== undefined && test(value) !== isInverted;
  };
}

/** Undefined: only the presence counts. */
function headerTest(header: HeaderMatch, problems: string[]): ((value: string) => boolean) | undefined {
  const { Exact, Prefix, Suffix, Regex } = header;
  if (Exact !== undefined && Exact !== "") return (value) => value === Exact;
  if (Prefix !== undefined && Prefix !== "") return (value) => value.startsWith(Prefix);
  if (Suffix !== undefined && Suffix !== "") return (value) => value.endsWith(Suffix);
  if (Regex !== undefined && Regex !== "") return compileRegex(Regex, `header ${header.Name} Regex`, problems);
  return undefined;
}

/** All values of a repeated header as one, joined with a comma as Envoy does. */
function joinedValue(fields: HeaderFields, name: string): string | undefined {
  let joined: string | undefined;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    if (field.name === name) joined = joined === undefined ? field.value : `${joined},${field.value}`;
  }
  return joined;
}
