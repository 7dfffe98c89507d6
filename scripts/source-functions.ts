// Finds the functions of a file and how many lines each has, from its tokens. Called by check-limits.ts. Pure.

import type { Token } from "./source-tokens.ts";

export interface SourceFunction {
  /** Its name, or `(anonymous)`. */
  readonly name: string;
  readonly firstLine: number;
  readonly lastLine: number;
}

// A parenthesis behind one of these opens no parameter list.
const controlWords = new Set(["if", "for", "while", "switch", "catch", "with", "return", "await", "typeof"]);
const pairs: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "<": ">" };
// Behind one of these a brace begins an object type, not a function's body.
const beforeObjectType = new Set([":", "|", "&", "=>", "is", "extends"]);

/** Functions, methods and arrow functions with a body in braces, in order of their bodies. */
export function findFunctions(tokens: readonly Token[]): readonly SourceFunction[] {
  const found: SourceFunction[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind !== "sign") continue;
    if (token.text === "=>" && tokens[i + 1]?.text === "{") {
      const close = closing(tokens, i + 1);
      if (close !== undefined) found.push({ name: "(anonymous)", firstLine: token.line, lastLine: close.line });
    } else if (token.text === "(") {
      const body = bodyOf(tokens, i);
      const close = body === undefined ? undefined : closing(tokens, body);
      if (close !== undefined) found.push({ name: nameOf(tokens, i), firstLine: token.line, lastLine: close.line });
    }
  }
  return found;
}

/** The index of the body's brace when the parenthesis at `open` is the parameter list of a function or method. */
function bodyOf(tokens: readonly Token[], open: number): number | undefined {
  const before = tokens[open - 1];
  if (before?.kind !== "word" && before?.text !== ">" && before?.text !== "]") return undefined;
  if (controlWords.has(before.text)) return undefined;
  const close = closingIndex(tokens, open);
  if (close === undefined) return undefined;
  const next = tokens[close + 1];
  if (next?.text === "{") return close + 1;
  return next?.text === ":" ? bodyBehindType(tokens, close + 2) : undefined;
}

/** Skips the return type that begins at `from`; the index of the body's brace, or undefined when none follows. */
function bodyBehindType(tokens: readonly Token[], from: number): number | undefined {
  for (let i = from; i < tokens.length; i++) {
    const text = tokens[i]!.text;
    const before = tokens[i - 1]!.text;
    if (text === "{" && !beforeObjectType.has(before)) return i;
    if (pairs[text] !== undefined && tokens[i]!.kind === "sign") {
      const close = closingIndex(tokens, i);
      if (close === undefined) return undefined;
      i = close;
    } else if ([";", ",", ")", "}", "=", "]"].includes(text)) return undefined;
  }
  return undefined;
}

function closing(tokens: readonly Token[], open: number): Token | undefined {
  const at = closingIndex(tokens, open);
  return at === undefined ? undefined : tokens[at];
}

/** The index of the bracket that closes the one at `open`. */
function closingIndex(tokens: readonly Token[], open: number): number | undefined {
  const left = tokens[open]!.text;
  const right = pairs[left];
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const { kind, text } = tokens[i]!;
    if (kind !== "sign") continue;
    if (text === left) depth++;
    else if (text === right && --depth === 0) return i;
  }
  return undefined;
}

function nameOf(tokens: readonly Token[], open: number): string {
  let at = open - 1;
  if (tokens[at]?.text === ">") while (at > 0 && tokens[at]?.text !== "<") at--;
  if (tokens[at]?.text === "<") at--;
  const token = tokens[at];
  return token?.kind === "word" && token.text !== "function" ? token.text : "(anonymous)";
}
