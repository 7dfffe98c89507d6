// Which directory holds the mesh configuration: the option, the setting, that of the stack that runs in this home, the
// working directory's, and last the checkout's own.

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { CommandError } from "../exit.ts";
import { readStack } from "./home.ts";
import { root } from "./programs.ts";

export interface MeshConfigSources {
  /** What the command line named, and how: `--mesh-config` or `dir`. */
  readonly option: string | undefined;
  readonly optionName: string;
  readonly setting: string | null;
  readonly home: string;
}

/** Absolute. Throws a CommandError when the one that was named is no directory. */
export function findMeshConfig(sources: MeshConfigSources): string {
  const named = sources.option ?? sources.setting ?? undefined;
  if (named !== undefined) {
    if (isDirectory(resolve(named))) return resolve(named);
    const what = sources.option === undefined ? "FERRY_MESH_CONFIG" : sources.optionName;
    throw new CommandError(
      `${what}: expected a directory with the mesh configuration, there is none at ${resolve(named)}`,
    );
  }
  const found = [readStack(sources.home)?.meshConfig, resolve("mesh-config"), resolve(root, "mesh-config")].find(
    (directory) => directory !== undefined && isDirectory(directory),
  );
  if (found === undefined)
    throw new CommandError("there is no directory mesh-config here; name one with --mesh-config");
  return found;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
