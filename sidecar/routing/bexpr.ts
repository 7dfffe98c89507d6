// The filter language of service-resolver subsets (`Service.Meta.version == v2`), as hashicorp/go-bexpr defines it, for
// the fields that an instance has in a registry. With Consul too: one watch serves all subsets of a service. A
// filter is compiled once per snapshot; a mistake is told with its place (`1:22` is line 1, character 22).
//
//   or-expression   and-expression ["or" or-expression]
//   and-expression  not-expression ["and" and-expression]
//   not-expression  "not" not-expression | "(" or-expression ")" | match
//   match           selector ("==" | "!=" | ["not"] ("contains" | "matches")) value
//                   selector "is" ["not"] "empty"
//                   value ["not"] "in" selector
//
// A key that Meta does not have equals nothing, so `!=`, `not in` and `is empty` hold for it (go-bexpr does the same).

import type { Endpoint } from "../discovery/registry.ts";
import { readTokens, type Token } from "./bexpr-tokens.ts";
import { compilePattern } from "./pattern.ts";

export type Filter =
  | { readonly ok: true; readonly test: (endpoint: Endpoint) => boolean }
  | { readonly ok: false; readonly error: string };

/** What a selector yields: text, a number, a list, a map, or nothing when a map has no such key. */
type Value = string | number | readonly string[] | Readonly<Record<string, string>> | undefined;
type Test = (endpoint: Endpoint) => boolean;
interface Selector {
  readonly kind: "text" | "number" | "list" | "map";
  readonly read: (endpoint: Endpoint) => Value;
}

const fields: Readonly<Record<string, Selector>> = {
  "Service.ID": { kind: "text", read: (endpoint) => endpoint.id },
  "Service.Service": { kind: "text", read: (endpoint) => endpoint.service },
  "Service.Address": { kind: "text", read: (endpoint) => endpoint.host },
  "Service.Port": { kind: "number", read: (endpoint) => endpoint.port },
  // The directory registry has neither tags nor nodes; they exist so that filters written for Consul are valid here.
  "Service.Tags": { kind: "list", read: (endpoint) => endpoint.tags ?? [] },
  "Service.Meta": { kind: "map", read: (endpoint) => endpoint.meta },
  "Node.Node": { kind: "text", read: (endpoint) => endpoint.node?.name },
  "Node.Address": { kind: "text", read: (endpoint) => endpoint.node?.address },
  "Node.Datacenter": { kind: "text", read: (endpoint) => endpoint.node?.datacenter },
  "Node.Meta": { kind: "map", read: (endpoint) => endpoint.node?.meta },
};

/** An empty filter holds for everything. */
export function compileFilter(source: string): Filter {
  if (source.trim() === "") return { ok: true, test: () => true };
  try {
    const parser = new Parser(source);
    return { ok: true, test: parser.parse() };
  } catch (error) {
    if (error instanceof FilterError) return { ok: false, error: error.message };
    throw error;
  }
}

/** Leaves the parser at the first mistake; never leaves this file. */
class FilterError extends Error {}

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    const read = readTokens(source);
    if (!read.ok) this.#fail(read.at, read.error);
    this.#tokens = read.tokens;
  }

  parse(): Test {
    const test = this.#or();
    const left = this.#tokens[this.#next];
    if (left !== undefined) this.#fail(left.at, `expected "and", "or" or the end, found "${left.text}"`);
    return test;
  }

  #or(): Test {
    const left = this.#and();
    if (!this.#take("or")) return left;
    const right = this.#or();
    return (endpoint) => left(endpoint) || right(endpoint);
  }

  #and(): Test {
    const left = this.#not();
    if (!this.#take("and")) return left;
    const right = this.#and();
    return (endpoint) => left(endpoint) && right(endpoint);
  }

  #not(): Test {
    if (++this.#depth > 100) this.#fail(0, "nested deeper than 100 levels");
    if (this.#take("not")) {
      const inner = this.#not();
      return (endpoint) => !inner(endpoint);
    }
    if (this.#take("(")) {
      const inner = this.#or();
      if (!this.#take(")")) this.#failHere('expected ")"');
      return inner;
    }
    return this.#match();
  }

  #match(): Test {
    const first = this.#tokens[this.#next++];
    if (first === undefined || first.kind === "symbol")
      return this.#failBefore(first, "expected a selector or a value");
    const isNegated = this.#take("not");
    if (this.#take("in")) return negate(this.#contains(this.#selector(this.#tokens[this.#next++]), first), isNegated);
    const selector = this.#selector(first);
    if (this.#take("contains")) return negate(this.#contains(selector, this.#value()), isNegated);
    if (this.#take("matches")) return negate(this.#matches(selector, first, this.#value()), isNegated);
    if (isNegated) this.#failHere('expected "in", "contains" or "matches" after "not"');
    if (this.#take("is")) {
      const isNotEmpty = this.#take("not");
      if (!this.#take("empty")) this.#failHere('expected "empty"');
      return negate(this.#isEmpty(selector, first), isNotEmpty);
    }
    if (this.#take("==")) return this.#equals(selector, first, this.#value());
    if (this.#take("!=")) return negate(this.#equals(selector, first, this.#value()), true);
    return this.#failHere("expected ==, !=, in, contains, matches or is");
  }

  #equals({ kind, read }: Selector, at: Token, value: Token): Test {
    if (kind === "list" || kind === "map") this.#fail(at.at, `"${at.text}" cannot be compared with ==; use "in"`);
    if (kind === "number") {
      const wanted = Number(value.text);
      if (!Number.isInteger(wanted)) this.#fail(value.at, `expected a number, found "${value.text}"`);
      return (endpoint) => read(endpoint) === wanted;
    }
    return (endpoint) => read(endpoint) === value.text;
  }

  #contains({ kind, read }: Selector, value: Token): Test {
    if (kind === "number") this.#fail(value.at, 'a number contains nothing; use "=="');
    return (endpoint) => {
      const whole = read(endpoint);
      if (whole === undefined || typeof whole === "number") return false;
      if (typeof whole === "string") return whole.includes(value.text);
      return isList(whole) ? whole.includes(value.text) : Object.hasOwn(whole, value.text);
    };
  }

  #matches({ kind, read }: Selector, at: Token, value: Token): Test {
    if (kind !== "text") this.#fail(at.at, `"${at.text}" is not text; only text can match a regular expression`);
    const pattern = compilePattern(value.text, "part");
    if (!pattern.ok) return this.#fail(value.at, `regular expression "${value.text}": ${pattern.error}`);
    return (endpoint) => {
      const text = read(endpoint);
      return typeof text === "string" && pattern.test(text);
    };
  }

  #isEmpty({ kind, read }: Selector, at: Token): Test {
    if (kind === "number") this.#fail(at.at, `"${at.text}" is a number and cannot be empty`);
    return (endpoint) => {
      const whole = read(endpoint);
      if (whole === undefined || typeof whole === "number") return true;
      if (typeof whole === "string" || isList(whole)) return whole.length === 0;
      return Object.keys(whole).length === 0;
    };
  }

  #selector(token: Token | undefined): Selector {
    if (token === undefined || token.kind !== "word") return this.#failBefore(token, "expected a selector");
    const known = Object.hasOwn(fields, token.text) ? fields[token.text] : undefined;
    if (known !== undefined) return known;
    const [, map = "", key = ""] = /^((?:Service|Node)\.Meta)\.(.+)$/s.exec(token.text) ?? [];
    if (map === "") {
      const allowed = [...Object.keys(fields), "Service.Meta.<key>", "Node.Meta.<key>"].join(", ");
      return this.#fail(token.at, `Selector "${token.text}" is not valid; there are ${allowed}`);
    }
    return {
      kind: "text",
      read({ meta, node }) {
        const of = map === "Node.Meta" ? node?.meta : meta;
        return of !== undefined && Object.hasOwn(of, key) ? of[key] : undefined;
      },
    };
  }

  #value(): Token {
    const token = this.#tokens[this.#next++];
    if (token === undefined || token.kind === "symbol") return this.#failBefore(token, "expected a value");
    return token;
  }

  /** Takes the next token if it is this word or symbol; quoted text is never a word. */
  #take(text: string): boolean {
    const token = this.#tokens[this.#next];
    if (token === undefined || token.kind === "quoted" || token.text !== text) return false;
    this.#next++;
    return true;
  }

  #failHere(expected: string): never {
    return this.#failBefore(this.#tokens[this.#next], expected);
  }

  #failBefore(token: Token | undefined, expected: string): never {
    if (token === undefined) return this.#fail(this.#source.length, `${expected}, found the end`);
    return this.#fail(token.at, `${expected}, found "${token.text}"`);
  }

  #fail(at: number, error: string): never {
    const before = this.#source.slice(0, at).split("\n");
    throw new FilterError(`${before.length}:${before.at(-1)!.length + 1}: ${error}`);
  }
}

function negate(test: Test, isNegated: boolean): Test {
  return isNegated ? (endpoint) => !test(endpoint) : test;
}

function isList(value: readonly string[] | Readonly<Record<string, string>>): value is readonly string[] {
  return Array.isArray(value);
}
