// `ferry status`: what is registered, how it is, how far the read models are, which configuration is in force. Exit
// code 0 only when all of it is healthy.

import { Command } from "commander";
import { type Console, openConsole, table } from "./console.ts";
import { exitOk, exitUnmet } from "./exit.ts";
import { readCliSettings } from "./settings.ts";
import { collectStatus } from "./status/collect-status.ts";
import { findTroubles, type MeshStatus } from "./status/mesh-status.ts";

export function statusCommand(finish: (code: number) => void): Command {
  return new Command("status")
    .description("show services, instances, read models and the configuration in force")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--json", "one JSON object on stdout")
    .action(async (options: { home?: string; json?: boolean }) => {
      const out = openConsole("status", options.json === true);
      const { home } = readCliSettings(options.home);
      const status = await collectStatus(home);
      const troubles = findTroubles(status);
      showStatus(out, status, troubles);
      out.result(troubles.length === 0, { home, ...status, gateway: status.gateway ?? null, troubles });
      finish(troubles.length === 0 ? exitOk : exitUnmet);
    });
}

function showStatus(out: Console, status: MeshStatus, troubles: readonly string[]): void {
  const rows = [["SERVICE", "INSTANCE", "VERSION", "HEALTH", "INBOUND", "PID", "SIDECAR"]];
  for (const { name, instances } of status.services) {
    for (const { id, version, health, inbound, pid, sidecarPid } of instances) {
      rows.push([name, id, version || "-", health, inbound || "-", pid === 0 ? "-" : `${pid}`, `${sidecarPid}`]);
    }
  }
  for (const line of table(rows)) out.print(line);
  out.print("");
  out.print(`registry  ${status.registry.name}`);
  if (status.gateway !== undefined) out.print(`gateway  ${status.gateway.address}  ${status.gateway.health}`);
  for (const { name, position, head, lagMs } of status.readModels) {
    out.print(`read model ${name}  position ${position || "-"} of ${head || "-"}  ${lagMs} ms behind`);
  }
  out.print(`mesh config  ${status.config.hash || "-"}  ${status.config.rejected.length} refused`);
  out.print("");
  for (const trouble of troubles) out.print(`! ${trouble}`);
  if (troubles.length === 0) out.print("all healthy");
}
