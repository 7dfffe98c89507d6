// Cuts a filter expression into words (selectors and bare values), quoted text and symbols; for bexpr.ts.

export interface Token {
  readonly kind: "word" | "quoted" | "symbol";
  /** Without the quotes. `Service.Meta["a-b"]` is the word `Service.Meta.a-b`. */
  readonly text: string;
  /** Offset in the source. */
  readonly at: number;
}

export type Tokens =
  | { readonly ok: true; readonly tokens: readonly Token[] }
  | { readonly ok: false; readonly at: number; readonly error: string };

const space = /\s+/y;
const symbol = /==|!=|\(|\)/y;
const word =
  /[A-Za-z][A-Za-z0-9_/]*(?:\.(?:[A-Za-z][A-Za-z0-9_/]*|\d+)|\[(?:"[^"\\]*"|`[^`]*`)\])*|-?(?:0|[1-9]\d*)(?:\.\d+)?/y;
const quoted = /"(?:[^"\\]|\\.)*"|`[^`]*`/y;

export function readTokens(source: string): Tokens {
  const tokens: Token[] = [];
  let at = 0;
  const takes = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  while (at < source.length) {
    const blank = takes(space);
    if (blank !== undefined) {
      at += blank.length;
      continue;
    }
    const text = takes(symbol);
    const plain = text === undefined ? takes(word) : undefined;
    const inQuotes = text === undefined && plain === undefined ? takes(quoted) : undefined;
    if (text !== undefined) tokens.push({ kind: "symbol", text, at });
    else if (plain !== undefined) tokens.push({ kind: "word", text: withoutBrackets(plain), at });
    else if (inQuotes !== undefined) tokens.push({ kind: "quoted", text: unquoted(inQuotes), at });
    else if (source[at] === '"' || source[at] === "`") return { ok: false, at, error: "quoted text has no end" };
    else if (source[at] === "=") return { ok: false, at, error: 'unexpected "="; equality is ==' };
    else return { ok: false, at, error: `unexpected ${JSON.stringify(source[at])}; put the value in double quotes` };
    at += (text ?? plain ?? inQuotes)!.length;
  }
  return { ok: true, tokens };
}

function withoutBrackets(text: string): string {
  return text.replace(/\[(?:"([^"]*)"|`([^`]*)`)\]/g, (_, double?: string, back?: string) => `.${double ?? back}`);
}

function unquoted(text: string): string {
  const inner = text.slice(1, -1);
  return text.startsWith("`") ? inner : inner.replace(/\\(.)/g, "$1");
}
