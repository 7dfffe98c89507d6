// Splits TypeScript source into tokens, well enough for the repository's own checks: comments are dropped, strings,
// templates and regular expressions become one token each, so that a word inside a string is not taken for code.
// TypeScript 7 has no JavaScript API, and a full parser is more than these checks need.
//
// Called by check-imports.ts and check-limits.ts.

export type TokenKind = "word" | "number" | "string" | "template" | "regex" | "sign";

export interface Token {
  readonly kind: TokenKind;
  /** As written; for a string, what is between its quotes. */
  readonly text: string;
  /** 1-based line on which the token begins. */
  readonly line: number;
}

/** The tokens of `source` in order. Code inside a template's `${}` yields tokens too, behind the template's own. */
export function tokenise(source: string): readonly Token[] {
  return new Scanner(source).scan();
}

// Behind one of these words a slash begins a regular expression, behind any other word it divides.
const wordsBeforeRegex = new Set(["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else"]);
const twoSigns = new Set(["=>", "==", "!=", "<=", "&&", "||", "??", "?.", "++", "--", "+=", "-=", "**"]);
const wordStart = /[A-Za-z_$#@]/;
const wordPart = /[\w$]/;

class Scanner {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  scan(): readonly Token[] {
    this.#scanCode(0);
    return this.#tokens;
  }

  /** Scans to the end, or at `depth` > 0 to the brace that closes a template's `${`. */
  #scanCode(depth: number): void {
    let open = depth;
    while (this.#at < this.#source.length) {
      const char = this.#source[this.#at]!;
      if (char === "}" && depth > 0 && --open === 0) return;
      if (char === "{" && depth > 0) open++;
      if (char === "\n") this.#skip(1);
      else if (/\s/.test(char)) this.#at++;
      else if (this.#source.startsWith("//", this.#at)) this.#skipUntil("\n", 0);
      else if (this.#source.startsWith("/*", this.#at)) this.#skipUntil("*/", 2);
      else if (char === '"' || char === "'") this.#string(char);
      else if (char === "`") this.#template();
      else if (char === "/" && this.#isRegexHere()) this.#regex();
      else if (wordStart.test(char)) this.#run("word", wordPart);
      else if (/\d/.test(char)) this.#run("number", /[\w.]/);
      else this.#sign();
    }
  }

  #push(kind: TokenKind, text: string, line = this.#line): void {
    this.#tokens.push({ kind, text, line });
  }

  /** Moves on by `count` characters and keeps the line number right. */
  #skip(count: number): void {
    for (const end = this.#at + count; this.#at < end; this.#at++) if (this.#source[this.#at] === "\n") this.#line++;
  }

  #skipUntil(mark: string, beyond: number): void {
    const found = this.#source.indexOf(mark, this.#at + beyond);
    this.#skip((found < 0 ? this.#source.length : found + beyond) - this.#at);
  }

  #string(quote: string): void {
    let end = this.#at + 1;
    while (end < this.#source.length && this.#source[end] !== quote) end += this.#source[end] === "\\" ? 2 : 1;
    this.#push("string", this.#source.slice(this.#at + 1, end));
    this.#skip(end + 1 - this.#at);
  }

  #template(): void {
    this.#push("template", "`");
    this.#at++;
    while (this.#at < this.#source.length) {
      const char = this.#source[this.#at]!;
      if (char === "`") {
        this.#at++;
        return;
      }
      if (char === "\\") this.#skip(2);
      else if (this.#source.startsWith("${", this.#at)) {
        this.#at += 2;
        this.#scanCode(1);
        this.#at++;
      } else this.#skip(1);
    }
  }

  #isRegexHere(): boolean {
    const before = this.#tokens.at(-1);
    if (before === undefined) return true;
    if (before.kind === "word") return wordsBeforeRegex.has(before.text);
    return before.kind === "sign" && ![")", "]", "}", "++", "--"].includes(before.text);
  }

  #regex(): void {
    const start = this.#at++;
    let isInClass = false;
    for (; this.#at < this.#source.length; this.#at++) {
      const char = this.#source[this.#at];
      if (char === "\\") this.#at++;
      else if (char === "[") isInClass = true;
      else if (char === "]") isInClass = false;
      else if (char === "/" && !isInClass) break;
    }
    this.#at++;
    while (/[a-z]/.test(this.#source[this.#at] ?? "")) this.#at++;
    this.#push("regex", this.#source.slice(start, this.#at));
  }

  #run(kind: TokenKind, part: RegExp): void {
    const start = this.#at++;
    while (part.test(this.#source[this.#at] ?? "")) this.#at++;
    this.#push(kind, this.#source.slice(start, this.#at));
  }

  #sign(): void {
    const two = this.#source.slice(this.#at, this.#at + 2);
    const text = twoSigns.has(two) ? two : this.#source[this.#at]!;
    this.#push("sign", text);
    this.#at += text.length;
  }
}
