// Checks the directions of imports and the few doors of the code base, and ends with 1 when something is wrong. Run by
// `npm run lint`; the rules are data in import-rules.ts.
//
// Guarantees for every tracked .ts file: imports go the allowed way; no cycle of value imports; no barrels and default
// exports; no import with a side effect; `process.env` and real time only behind their doors.

import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { findCycles } from "./import-cycles.ts";
import { forbiddenBy, isExcepted, mayReadEnvironment, mayUseRealTime } from "./import-rules.ts";
import { defaultExportLine, findImports } from "./source-imports.ts";
import { type Token, tokenise } from "./source-tokens.ts";
import { listTrackedFiles, root } from "./tracked-files.ts";

export interface Problem {
  readonly file: string;
  readonly line: number;
  /** What stands there. */
  readonly found: string;
  /** What is allowed. */
  readonly rule: string;
}

export interface ImportReport {
  readonly files: number;
  readonly imports: number;
  readonly problems: readonly Problem[];
}

/** Checks `files` (path relative to the root -> source). Pure. */
export function checkImports(files: ReadonlyMap<string, string>): ImportReport {
  const problems: Problem[] = [];
  const edges = new Map<string, string[]>();
  let imports = 0;
  for (const [file, source] of files) {
    const tokens = tokenise(source);
    const targets: string[] = [];
    edges.set(file, targets);
    for (const found of findImports(tokens)) {
      imports++;
      const report = (rule: string) => problems.push({ file, line: found.line, found: found.specifier, rule });
      if (!found.specifier.startsWith(".")) continue;
      const target = posix.normalize(posix.join(posix.dirname(file), found.specifier));
      if (!files.has(target)) {
        report(target.endsWith(".ts") ? "no such tracked file" : "imports of our own files end in .ts");
        continue;
      }
      if (found.isReExport && !found.isTypeOnly && !file.startsWith("gen/")) {
        report("no barrels: import a name from the file that has it");
      }
      const rule = forbiddenBy(file, target, found.isTypeOnly);
      if (rule !== undefined) report(rule);
      if (!found.isTypeOnly) targets.push(target);
    }
    problems.push(...checkDoors(file, tokens));
  }
  for (const cycle of findCycles(edges)) {
    problems.push({ file: cycle[0]!, line: 1, found: cycle.join(" -> "), rule: "no cycles of imports" });
  }
  return { files: files.size, imports, problems };
}

/** The rules that look at one file alone. */
function checkDoors(file: string, tokens: readonly Token[]): readonly Problem[] {
  if (file.startsWith("gen/")) return [];
  const problems: Problem[] = [];
  const line = defaultExportLine(tokens);
  if (line !== undefined && !file.endsWith(".config.ts")) {
    problems.push({ file, line, found: "export default", rule: "no default exports: a name is the same everywhere" });
  }
  const mayReadEnv = isExcepted(file, mayReadEnvironment);
  const mayUseTime = isExcepted(file, mayUseRealTime);
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind !== "word") continue;
    const isMember = tokens[i - 1]?.text === "." || tokens[i - 1]?.text === "?.";
    if (!mayReadEnv && isCall(tokens, i, "process", "env") && !isMember) {
      const rule = "only settings.ts and main.ts read process.env";
      problems.push({ file, line: token.line, found: "process.env", rule });
    }
    const time = mayUseTime || isMember ? undefined : realTimeAt(tokens, i);
    if (time !== undefined) {
      problems.push({ file, line: token.line, found: time, rule: "time comes from a Clock (common/clock.ts)" });
    }
  }
  return problems;
}

/** The use of real time that begins at token `i`, or undefined. */
function realTimeAt(tokens: readonly Token[], i: number): string | undefined {
  const text = tokens[i]!.text;
  if ((text === "setTimeout" || text === "setInterval") && tokens[i + 1]?.text === "(") return text;
  if (isCall(tokens, i, "Date", "now")) return "Date.now";
  if (isCall(tokens, i, "performance", "now")) return "performance.now";
  if (isCall(tokens, i, "process", "hrtime")) return "process.hrtime";
  const isNow = text === "Date" && tokens[i - 1]?.text === "new" && tokens[i + 1]?.text === "(";
  return isNow && tokens[i + 2]?.text === ")" ? "new Date()" : undefined;
}

function isCall(tokens: readonly Token[], i: number, object: string, member: string): boolean {
  return tokens[i]!.text === object && tokens[i + 1]?.text === "." && tokens[i + 2]?.text === member;
}

if (import.meta.main) {
  const files = new Map(listTrackedFiles(".ts").map((path) => [path, readFileSync(root + path, "utf8")]));
  const { imports, problems } = checkImports(files);
  for (const { file, line, found, rule } of problems) console.log(`${file}:${line}: ${found}: ${rule}`);
  console.log(`check-imports: ${files.size} files, ${imports} imports, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
