// `ferry apply`: writes a mesh configuration to Consul, entry by entry, each only if nobody changed it since it was
// read. What stands in Consul only is left alone and named. Exit code 0 only when Consul has all of it.

import { Command } from "commander";
import { openConsole } from "./console.ts";
import { entryChanges, writeEntries } from "./consul/entry-writes.ts";
import { openConsul, readForConsul, showProblems } from "./consul/open-consul.ts";
import { exitOk, exitUnmet } from "./exit.ts";

export function applyCommand(finish: (code: number) => void): Command {
  return new Command("apply")
    .description("write a mesh configuration to Consul (CONSUL_HTTP_ADDR)")
    .argument("[dir]", "the directory; default: the running stack's, else ./mesh-config")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--json", "one JSON object on stdout")
    .action(async (dir: string | undefined, options: { home?: string; json?: boolean }) => {
      const out = openConsole("apply", options.json === true);
      const { directory, entries, problems: mistakes } = await readForConsul(dir, options.home);
      const consul = mistakes.length > 0 ? undefined : await openConsul(options.home, (line) => out.warn(line));
      try {
        const found = consul === undefined ? { changes: [], onlyThere: [] } : await entryChanges(consul, entries);
        const { written, problems } =
          consul === undefined ? { written: [], problems: mistakes } : await writeEntries(consul, found.changes);
        const unchanged = found.changes.filter(({ action }) => action === "none").length;
        for (const { file, action } of written) out.print(`${action === "create" ? "created" : "updated"}  ${file}`);
        for (const file of found.onlyThere) out.print(`left alone, not in ${directory}: ${file}`);
        showProblems(out, problems);
        const isOk = problems.length === 0;
        if (isOk) out.print(`${directory}: ${written.length} written, ${unchanged} as they were`);
        out.result(isOk, { directory, written, unchanged, onlyInConsul: found.onlyThere, problems });
        finish(isOk ? exitOk : exitUnmet);
      } finally {
        consul?.close();
      }
    });
}
