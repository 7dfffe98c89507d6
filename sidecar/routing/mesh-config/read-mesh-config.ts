// Reads a mesh-config directory once: `<kind>/<name>.json`, all files or none. Called by watch-mesh-config.ts and by
// `ferry check`.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { nearestName } from "../../../common/nearest-name.ts";
import { type ConfigEntry, type Kind, kinds } from "./config-entry.ts";
import { type CheckedConfig, checkMeshConfig } from "./mesh-config.ts";
import { parseConfigEntry } from "./parse-config-entry.ts";
import type { Problem } from "./problem.ts";

/** Every problem of every file at once; only a set without any is checked across its entries. */
export async function readMeshConfig(dir: string): Promise<CheckedConfig> {
  const problems: Problem[] = [];
  const parsed: ConfigEntry[] = [];
  try {
    for (const file of await listFiles(dir, problems)) {
      const result = parseConfigEntry(await readFile(join(dir, file), "utf8"), file);
      if (result.ok) parsed.push(result.entry);
      else problems.push(...result.problems);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const found = code === "ENOENT" ? "nothing" : message;
    problems.push({ file: dir, path: "", expected: "a directory that can be read", found, suggestion: "" });
  }
  return problems.length > 0 ? { ok: false, problems } : checkMeshConfig(parsed);
}

/** As `service-router/quoter.json`, sorted. What an editor leaves about (`.x.swp`, `x~`) does not count. */
async function listFiles(dir: string, problems: Problem[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const folder of await readdir(dir, { withFileTypes: true })) {
    if (isLeftOver(folder.name) || !folder.isDirectory()) {
      // A README is welcome; an entry at the wrong level is not overlooked.
      if (folder.isFile() && folder.name.endsWith(".json") && !isLeftOver(folder.name)) {
        problems.push({
          ...{ file: folder.name, path: "", expected: "entries in <kind>/<name>.json" },
          ...{ found: "a file beside the folders", suggestion: "" },
        });
      }
      continue;
    }
    if (!kinds.includes(folder.name as Kind)) {
      problems.push({
        ...{ file: folder.name, path: "", expected: `a folder named ${kinds.join(", ")}` },
        ...{ found: JSON.stringify(folder.name), suggestion: nearestName(folder.name, kinds) ?? "" },
      });
      continue;
    }
    for (const name of await readdir(join(dir, folder.name))) {
      if (isLeftOver(name)) continue;
      const file = `${folder.name}/${name}`;
      if (/^([a-z0-9][a-z0-9._-]{0,62}|\*)\.json$/.test(name)) files.push(file);
      else {
        const expected = "a name as <service>.json";
        problems.push({ file, path: "", expected, found: JSON.stringify(name), suggestion: "" });
      }
    }
  }
  return files.sort();
}

function isLeftOver(name: string): boolean {
  return name.startsWith(".") || name.startsWith("#") || name.endsWith("~") || name.endsWith(".swp");
}
