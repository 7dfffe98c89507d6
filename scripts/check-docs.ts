// Checks that the pages say nothing of files that are not there: relative links in every tracked .md file, paths in
// backticks, and in docs/life-of-a-request.md each layer of the two stacks. Run by `npm run lint`.

import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { tokenise } from "./source-tokens.ts";
import { listTrackedFiles, root } from "./tracked-files.ts";

export interface DocProblem {
  readonly file: string;
  readonly found: string;
  readonly rule: string;
}

// A path of ours in backticks: from a folder at the root down, without placeholders.
const ownPath =
  /^(?:bench|cli|common|docs|e2e|examples|gen|mesh-config|proto|scripts|services|sidecar|third_party)\/[\w./-]*$/;

/** Links and paths in `text`, the page at `file`, that `exists` does not know. Pure but for `exists`. */
export function checkPage(file: string, text: string, exists: (path: string) => boolean): readonly DocProblem[] {
  const problems: DocProblem[] = [];
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, "");
  for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    const [path = ""] = target.split("#");
    if (/^[a-z]+:/.test(target) || path === "") continue;
    const found = posix.normalize(posix.join(posix.dirname(file), path));
    if (!exists(found)) problems.push({ file, found: target, rule: "a link leads to a file that is there" });
  }
  for (const [, quoted = ""] of prose.matchAll(/`([^`\n]+)`/g)) {
    if (!ownPath.test(quoted) || exists(quoted)) continue;
    problems.push({ file, found: quoted, rule: "a path in backticks is there" });
  }
  return problems;
}

/** The names of the functions that a stack file hands to `stack(…)`, outermost first. */
export function layersOf(source: string): readonly string[] {
  const tokens = tokenise(source);
  const start = tokens.findIndex((token, i) => token.text === "return" && tokens[i + 1]?.text === "stack");
  const names: string[] = [];
  let depth = 0;
  for (let i = start + 2; i < tokens.length; i++) {
    const { text, kind } = tokens[i]!;
    const isFirst = depth === 1 && (tokens[i - 1]!.text === "," || tokens[i - 1]!.text === "(");
    if (isFirst && kind === "word" && tokens[i + 1]?.text === "(") names.push(text);
    if (kind === "sign" && "([{".includes(text)) depth++;
    if (kind === "sign" && ")]}".includes(text) && --depth === 0) break;
  }
  return names;
}

if (import.meta.main) {
  const pages = listTrackedFiles(".md");
  const exists = (path: string) => existsSync(root + path);
  const problems = pages.flatMap((page) => checkPage(page, readFileSync(root + page, "utf8"), exists));
  const life = "docs/life-of-a-request.md";
  const drawing = readFileSync(root + life, "utf8");
  for (const direction of ["outbound", "inbound"]) {
    const file = `sidecar/${direction}/stack.ts`;
    const missing = layersOf(readFileSync(root + file, "utf8")).filter((name) => !drawing.includes(name));
    for (const name of missing)
      problems.push({ file: life, found: `nothing of ${name}`, rule: `names what ${file} has` });
  }
  for (const { file, found, rule } of problems) console.log(`${file}: ${found}: ${rule}`);
  console.log(`check-docs: ${pages.length} pages, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
