// `ferry apply`: writes a mesh configuration to Consul, entry by entry, each only if nobody changed it since it was
// read. Nothing is written when a file has a mistake or an entry cannot be seen. What stands in Consul only is left
// alone and named. Exit code 0 only when Consul has all of it.

import type { Command } from "commander";
import { type ConsulWork, consulCommand, showRefusals } from "./consul/consul-command.ts";
import { entryChanges, writeEntries } from "./consul/entry-writes.ts";

export function applyCommand(finish: (code: number) => void): Command {
  const description = "write a mesh configuration to Consul (CONSUL_HTTP_ADDR)";
  const nothing = { written: [], unchanged: 0, onlyInConsul: [] };
  return consulCommand({ name: "apply", description, nothing, work: apply }, finish);
}

async function apply({ out, directory, entries, consul }: ConsulWork): Promise<boolean> {
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
  return isOk;
}
