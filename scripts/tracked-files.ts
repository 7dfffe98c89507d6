// The files that the repository's checks look at: what git tracks, so that caches and build results are left out.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The repository's root, absolute, with a slash at its end. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Tracked files that exist and end in `suffix`, relative to the root, sorted. Throws where git cannot list them. */
export function listTrackedFiles(suffix: string): readonly string[] {
  const output = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return output.split("\0").filter((path) => path.endsWith(suffix) && existsSync(root + path));
}
