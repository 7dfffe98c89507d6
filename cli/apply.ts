// `ferry apply`: writes a mesh configuration to Consul, entry by entry, each only if nobody changed it since it was
// read. Nothing is written when a file has a mistake or an entry cannot be seen. What stands in Consul only is left
// alone and named. Exit code 0 only when Consul has all of it.

import { Command } from "commander";
import { openConsole } from "./console.ts";
import { entryChanges, writeEntries } from "./consul/entry-writes.ts";
import {
  type ConsulOptions,
  defaultWait,
  openConsul,
  readForConsul,
  showMistakes,
  showRefusals,
} from "./consul/open-consul.ts";
import { exitOk, exitUnmet } from "./exit.ts";

interface ApplyOptions extends ConsulOptions {
  readonly json?: boolean;
}

export function applyCommand(finish: (code: number) => void): Command {
  return new Command("apply")
    .description("write a mesh configuration to Consul (CONSUL_HTTP_ADDR)")
    .argument("[dir]", "the directory; default: the running stack's, else ./mesh-config")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--wait <duration>", "how long to wait for Consul", defaultWait)
    .option("--json", "one JSON object on stdout")
    .action(async (dir: string | undefined, options: ApplyOptions) => finish(await apply(dir, options)));
}

async function apply(dir: string | undefined, options: ApplyOptions): Promise<number> {
  const out = openConsole("apply", options.json === true);
  const { directory, entries, problems: mistakes } = await readForConsul(dir, options.home);
  if (mistakes.length > 0) {
    showMistakes(out, mistakes);
    out.result(false, { directory, written: [], unchanged: 0, onlyInConsul: [], problems: mistakes });
    return exitUnmet;
  }
  const consul = await openConsul(options, (line) => out.warn(line));
  try {
    const { changes, onlyThere, problems: hidden } = await entryChanges(consul, entries);
    const { written, problems } =
      hidden.length > 0 ? { written: [], problems: hidden } : await writeEntries(consul, changes);
    const unchanged = changes.filter(({ action }) => action === "none").length;
    for (const { file, action } of written) out.print(`${action === "create" ? "created" : "updated"}  ${file}`);
    for (const file of onlyThere) out.print(`left alone, not in ${directory}: ${file}`);
    showRefusals(out, problems);
    const isOk = problems.length === 0;
    if (isOk) out.print(`${directory}: ${written.length} written, ${unchanged} as they were`);
    out.result(isOk, { directory, written, unchanged, onlyInConsul: onlyThere, problems });
    return isOk ? exitOk : exitUnmet;
  } finally {
    consul.close();
  }
}
