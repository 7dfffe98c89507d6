// Runs one of the repository's command-line tools and hands back what it said. Called by the checks that judge a tool's
// exit code themselves.

import { spawnSync } from "node:child_process";
import { root } from "./tracked-files.ts";

export interface ToolResult {
  /** The exit code; -1 when the tool could not be started or was killed. */
  readonly code: number;
  /** Standard output and standard error, trimmed. */
  readonly output: string;
}

/** Runs `command` in `cwd` (default: the root) with node_modules/.bin first on the path, for at most two minutes. */
export function runTool(command: string, args: readonly string[], cwd = root): ToolResult {
  const env = { ...process.env, PATH: `${root}node_modules/.bin:${process.env.PATH}` };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: "utf8", timeout: 120_000 });
  if (error !== undefined) return { code: -1, output: error.message };
  return { code: status ?? -1, output: `${stdout}${stderr}`.trim() };
}
