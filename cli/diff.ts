// `ferry diff`: what `ferry apply` would change in Consul, field by field. Writes nothing. Exit code 0 whether or not
// there is something to change; 1 when the files have mistakes or Consul cannot be read.

import type { Command } from "commander";
import { type ConsulWork, consulCommand, showRefusals } from "./consul/consul-command.ts";
import { entryChanges } from "./consul/entry-writes.ts";

export function diffCommand(finish: (code: number) => void): Command {
  const description = "show what apply would change in Consul";
  return consulCommand({ name: "diff", description, nothing: { changes: [], onlyInConsul: [] }, work: diff }, finish);
}

async function diff({ out, directory, entries, consul }: ConsulWork): Promise<boolean> {
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
  return isOk;
}
