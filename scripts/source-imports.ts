// Finds what a file imports and what it hands out, from its tokens. Called by check-imports.ts. Pure.

import type { Token } from "./source-tokens.ts";

export interface SourceImport {
  /** As written, for example `../common/clock.ts` or `node:net`. */
  readonly specifier: string;
  readonly line: number;
  /** Only types cross: `import type`, or every name in the braces is marked `type`. */
  readonly isTypeOnly: boolean;
  /** `export … from`: the file passes on another one's names. */
  readonly isReExport: boolean;
}

/** Static and dynamic imports with a literal specifier, in order. */
export function findImports(tokens: readonly Token[]): readonly SourceImport[] {
  const found: SourceImport[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind !== "word" || tokens[i - 1]?.text === ".") continue;
    if (token.text === "import") {
      const isDynamic = tokens[i + 1]?.text === "(";
      const at = isDynamic ? i + 2 : specifierIndex(tokens, i + 1);
      const specifier = tokens[at];
      if (specifier?.kind !== "string") continue;
      const isTypeOnly = !isDynamic && namesTypesOnly(tokens.slice(i + 1, at));
      found.push({ specifier: specifier.text, line: token.line, isTypeOnly, isReExport: false });
    } else if (token.text === "export") {
      const next = tokens[i + 1]?.text === "type" ? tokens[i + 2] : tokens[i + 1];
      if (next?.text !== "{" && next?.text !== "*") continue;
      const at = specifierIndex(tokens, i + 1);
      const specifier = tokens[at];
      if (specifier?.kind !== "string") continue;
      const isTypeOnly = namesTypesOnly(tokens.slice(i + 1, at));
      found.push({ specifier: specifier.text, line: token.line, isTypeOnly, isReExport: true });
    }
  }
  return found;
}

/** The line of `export default`, or undefined. */
export function defaultExportLine(tokens: readonly Token[]): number | undefined {
  const at = tokens.findIndex((token, i) => token.text === "export" && tokens[i + 1]?.text === "default");
  return tokens[at]?.line;
}

/** Where the statement that begins at `from` has its specifier: at once, or behind the word `from`. */
function specifierIndex(tokens: readonly Token[], from: number): number {
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind === "string") return i;
    if (token.kind === "sign" && !["{", "}", ",", "*"].includes(token.text)) return -1;
    if (token.text === "from" && tokens[i + 1]?.kind === "string") return i + 1;
  }
  return -1;
}

function namesTypesOnly(clause: readonly Token[]): boolean {
  if (clause[0]?.text === "type" && clause[1]?.text !== "from" && clause[1]?.text !== ",") return true;
  const open = clause.findIndex((token) => token.text === "{");
  if (open !== 0) return false;
  const close = clause.findIndex((token) => token.text === "}");
  const names = clause.slice(open + 1, close);
  // Each name stands at the start or behind a comma.
  const firsts = names.filter((_, i) => i === 0 || names[i - 1]!.text === ",");
  return firsts.length > 0 && firsts.every((token) => token.text === "type");
}
