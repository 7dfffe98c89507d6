// `ferry check`: reads a mesh configuration as a sidecar would, and names every mistake at once: file, path, what is
// expected, what was found. Exit code 0 only when a sidecar would take it.

import { Command } from "commander";
import { problemText } from "../sidecar/routing/mesh-config/problem.ts";
import { readMeshConfig } from "../sidecar/routing/mesh-config/read-mesh-config.ts";
import { openConsole } from "./console.ts";
import { exitOk, exitUnmet } from "./exit.ts";
import { readCliSettings } from "./settings.ts";
import { findMeshConfig } from "./supervise/mesh-config-dir.ts";

export function checkCommand(finish: (code: number) => void): Command {
  return new Command("check")
    .description("check a mesh configuration as a sidecar would")
    .argument("[dir]", "the directory; default: the running stack's, else ./mesh-config")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--json", "one JSON object on stdout")
    .action(async (dir: string | undefined, options: { home?: string; json?: boolean }) => {
      const out = openConsole("check", options.json === true);
      const { home, meshConfig } = readCliSettings(options.home);
      const directory = findMeshConfig({ option: dir, optionName: "dir", setting: meshConfig, home });
      const read = await readMeshConfig(directory);
      if (read.ok) {
        const { hash, entries, notices } = read.config;
        for (const notice of notices) out.print(`note: ${notice}`);
        out.print(`${directory}: ${entries.length} entries, hash ${hash}`);
        out.result(true, { directory, hash, entries: entries.length, notices, problems: [] });
      } else {
        for (const problem of read.problems) out.warn(`ferry: ${problemText(problem)}`);
        out.result(false, { directory, problems: read.problems });
      }
      finish(read.ok ? exitOk : exitUnmet);
    });
}
