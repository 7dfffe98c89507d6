// Checks sizes: lines of a file, of a function, and of a line. Run by `npm run lint`; ends with 1 when something is too
// long. A file that must be longer stands in `exceptions` with its reason.
//
// Tests are held to the file's and the line's limit only: a `describe` block is a list, not a function. A line that is
// one string is not held to the line's limit, since the formatter cannot break it and nobody should glue strings.

import { readFileSync } from "node:fs";
import { findFunctions } from "./source-functions.ts";
import { tokenise } from "./source-tokens.ts";
import { listTrackedFiles, root } from "./tracked-files.ts";

/** Lines of a file, lines of a function, characters of a line. */
export const limits = { fileLines: 400, functionLines: 80, lineLength: 120 } as const;

export interface LimitException {
  readonly file: string;
  /** How long it may be; its functions and lines keep to the limits. */
  readonly fileLines: number;
  readonly reason: string;
}

/** Files that may be longer, each with the reason. An entry that is no longer needed is an error. */
export const exceptions: readonly LimitException[] = [];

export interface LimitProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

// A string with nothing but its key, or the end of its list, around it.
const loneString = /^\s*(\w+: )?(["'`]).*\2[,;)]*$/;

/** Checks one file. Pure. */
export function checkLimits(file: string, source: string): readonly LimitProblem[] {
  const problems: LimitProblem[] = [];
  const lines = source.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const fileLines = exceptions.find((exception) => exception.file === file)?.fileLines ?? limits.fileLines;
  if (lines.length > fileLines) {
    const message = `file has ${lines.length} lines, limit ${fileLines}`;
    problems.push({ file, line: lines.length, message });
  }
  lines.forEach((text, i) => {
    if (text.length <= limits.lineLength || loneString.test(text)) return;
    problems.push({ file, line: i + 1, message: `line has ${text.length} characters, limit ${limits.lineLength}` });
  });
  if (/\.(test|suite)\.ts$/.test(file)) return problems;
  for (const { name, firstLine, lastLine } of findFunctions(tokenise(source))) {
    const length = lastLine - firstLine + 1;
    if (length <= limits.functionLines) continue;
    const message = `function ${name} has ${length} lines, limit ${limits.functionLines}`;
    problems.push({ file, line: firstLine, message });
  }
  return problems;
}

if (import.meta.main) {
  const files = listTrackedFiles(".ts").filter((path) => !/(^|\/)gen\//.test(path));
  let count = 0;
  const report = (text: string) => {
    count++;
    console.log(text);
  };
  for (const file of files) {
    const source = readFileSync(root + file, "utf8");
    for (const { line, message } of checkLimits(file, source)) report(`${file}:${line}: ${message}`);
    const isExcepted = exceptions.some((exception) => exception.file === file);
    const isShort = source.split("\n").length - 1 <= limits.fileLines;
    if (isExcepted && isShort) report(`${file}: its exception in check-limits.ts is not needed`);
  }
  console.log(`check-limits: ${files.length} files, ${exceptions.length} exceptions, ${count} problems`);
  if (count > 0) process.exitCode = 1;
}
