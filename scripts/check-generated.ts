// Checks that generated code is what `npm run generate` makes of proto/ now, for the product and for the TypeScript
// example: generates into a folder of its own and compares, so that the checkout is not touched. Run by `npm run lint`;
// ends with 1 when a file differs, is missing or is too many.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTool } from "./run-tool.ts";
import { root } from "./tracked-files.ts";

/** What differs between the folders, one line a file: `stale`, `missing` in `actual`, or `left over` there. */
export function compareFolders(actual: string, expected: string): readonly string[] {
  const actualFiles = listFiles(actual);
  const expectedFiles = listFiles(expected);
  const differences = actualFiles.filter((file) => !expectedFiles.includes(file)).map((file) => `left over: ${file}`);
  for (const file of expectedFiles) {
    if (!actualFiles.includes(file)) differences.push(`missing: ${file}`);
    else if (!readFileSync(join(actual, file)).equals(readFileSync(join(expected, file)))) {
      differences.push(`stale: ${file}`);
    }
  }
  return differences;
}

function listFiles(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Where generated code stands, and the arguments of `buf generate` that make it. */
const outputs = [
  { folder: "gen", args: [] },
  { folder: "examples/clients/ts/gen", args: exampleArguments("examples/clients/ts/buf.gen.yaml") },
] as const;

/** The example's client needs the command service and the first query service only. */
function exampleArguments(template: string): readonly string[] {
  return ["proto", "--template", template, "--path", "proto/quoter/command", "--path", "proto/quoter/query/v1"];
}

if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), "ferry-generated-"));
  try {
    const differences: string[] = [];
    for (const { folder: path, args } of outputs) {
      const { code, output } = runTool("buf", ["generate", ...args, "-o", folder]);
      if (code !== 0) differences.push(`buf generate: ${output}`);
      else differences.push(...compareFolders(root + path, join(folder, path)).map((line) => `${path}: ${line}`));
    }
    for (const difference of differences) console.log(difference);
    if (differences.length > 0) console.log("run `npm run generate` and commit gen/");
    console.log(`check-generated: ${differences.length} problems`);
    if (differences.length > 0) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
