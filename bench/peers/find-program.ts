// Finds a program of another make: on the path, in the places where Debian puts servers, or in the cache where
// bench/README.md says to install it.

import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** The absolute path of `name`, or undefined. `cached`: its place within the cache folder, as `envoy-1.40.0/bin`. */
export function findProgram(name: string, cached?: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "ferry");
  if (cached !== undefined) folders.push(join(cache, cached));
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
