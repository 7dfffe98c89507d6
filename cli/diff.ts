// `ferry diff`: what `ferry apply` would change in Consul, field by field. Writes nothing. Exit code 0 whether or not
// there is something to change; 1 when the files have mistakes or Consul cannot be read.

import { Command } from "commander";
import { openConsole } from "./console.ts";
import { entryChanges } from "./consul/entry-writes.ts";
import { openConsul, readForConsul, showProblems } from "./consul/open-consul.ts";
import { exitOk, exitUnmet } from "./exit.ts";

export function diffCommand(finish: (code: number) => void): Command {
  return new Command("diff")
    .description("show what apply would change in Consul")
    .argument("[dir]", "the directory; default: the running stack's, else ./mesh-config")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--json", "one JSON object on stdout")
    .action(async (dir: string | undefined, options: { home?: string; json?: boolean }) => {
      const out = openConsole("diff", options.json === true);
      const { directory, entries, problems } = await readForConsul(dir, options.home);
      if (problems.length > 0) {
        showProblems(out, problems);
        out.result(false, { directory, changes: [], onlyInConsul: [], problems });
        finish(exitUnmet);
        return;
      }
      const consul = await openConsul(options.home, (line) => out.warn(line));
      try {
        const found = await entryChanges(consul, entries);
        const changes = found.changes.filter(({ action }) => action !== "none");
        for (const { action, file, fields } of changes) {
          out.print(`${action}  ${file}`);
          for (const { path, before, after } of fields) out.print(`  ${path}: ${before} -> ${after}`);
        }
        for (const file of found.onlyThere) out.print(`left alone, not in ${directory}: ${file}`);
        out.print(changes.length === 0 ? "nothing to change" : `${changes.length} to write`);
        out.result(true, {
          directory,
          changes: changes.map(({ action, file, fields }) => ({ action, file, fields })),
          onlyInConsul: found.onlyThere,
          problems: [],
        });
        finish(exitOk);
      } finally {
        consul.close();
      }
    });
}
