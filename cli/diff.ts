// `ferry diff`: what `ferry apply` would change in Consul, field by field. Writes nothing. Exit code 0 whether or not
// there is something to change; 1 when the files have mistakes or Consul cannot be read.

import { Command } from "commander";
import { openConsole } from "./console.ts";
import { entryChanges } from "./consul/entry-writes.ts";
import {
  type ConsulOptions,
  defaultWait,
  openConsul,
  readForConsul,
  showMistakes,
  showRefusals,
} from "./consul/open-consul.ts";
import { exitOk, exitUnmet } from "./exit.ts";

interface DiffOptions extends ConsulOptions {
  readonly json?: boolean;
}

export function diffCommand(finish: (code: number) => void): Command {
  return new Command("diff")
    .description("show what apply would change in Consul")
    .argument("[dir]", "the directory; default: the running stack's, else ./mesh-config")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--wait <duration>", "how long to wait for Consul", defaultWait)
    .option("--json", "one JSON object on stdout")
    .action(async (dir: string | undefined, options: DiffOptions) => finish(await diff(dir, options)));
}

async function diff(dir: string | undefined, options: DiffOptions): Promise<number> {
  const out = openConsole("diff", options.json === true);
  const { directory, entries, problems: mistakes } = await readForConsul(dir, options.home);
  if (mistakes.length > 0) {
    showMistakes(out, mistakes);
    out.result(false, { directory, changes: [], onlyInConsul: [], problems: mistakes });
    return exitUnmet;
  }
  const consul = await openConsul(options, (line) => out.warn(line));
  try {
    const found = await entryChanges(consul, entries);
    const { onlyThere, problems } = found;
    const changes = found.changes.filter(({ action }) => action !== "none");
    for (const { action, file, fields } of changes) {
      out.print(`${action}  ${file}`);
      for (const { path, before, after } of fields) out.print(`  ${path}: ${before} -> ${after}`);
    }
    for (const file of onlyThere) out.print(`left alone, not in ${directory}: ${file}`);
    showRefusals(out, problems);
    const isOk = problems.length === 0;
    if (isOk) out.print(changes.length === 0 ? "nothing to change" : `${changes.length} to write`);
    const shown = changes.map(({ action, file, fields }) => ({ action, file, fields }));
    out.result(isOk, { directory, changes: shown, onlyInConsul: onlyThere, problems });
    return isOk ? exitOk : exitUnmet;
  } finally {
    consul.close();
  }
}
