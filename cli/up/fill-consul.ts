// The first `ferry up` on a Consul that has no configuration: writes those entries of the mesh configuration that
// Consul does not have, by compare-and-set with index 0, so that the whole system works at once. What stands there
// already is somebody's and stays as it is: entries that differ are named.

import { systemClock } from "../../common/clock.ts";
import { consulAccess } from "../../common/consul-settings.ts";
import { ConsulClient } from "../../sidecar/discovery/consul/consul-client.ts";
import { problemText } from "../../sidecar/routing/mesh-config/problem.ts";
import { readMeshConfig } from "../../sidecar/routing/mesh-config/read-mesh-config.ts";
import type { Console } from "../console.ts";
import { refusalText } from "../consul/consul-command.ts";
import { entryChanges, writeEntries } from "../consul/entry-writes.ts";
import type { CliSettings } from "../settings.ts";

/** Tells what it wrote and what differs. Rejects with a CommandError only when Consul cannot be asked. */
export async function fillConsul(settings: CliSettings, meshConfig: string, out: Console): Promise<void> {
  const read = await readMeshConfig(meshConfig);
  if (!read.ok) {
    // What Consul has stays in force, as with a folder.
    for (const problem of read.problems) tell(out, problemText(problem));
    tell(out, `nothing of ${meshConfig} was written to Consul; mend it and run \`ferry apply\``);
    return;
  }
  const client = new ConsulClient(consulAccess(settings), systemClock);
  try {
    const { changes, problems: hidden } = await entryChanges(client, read.config.entries);
    const missing = changes.filter(({ action }) => action === "create");
    const { written, problems: refused } = await writeEntries(client, missing);
    const problems = [...hidden, ...refused];
    const differing = changes.filter(({ action }) => action === "update").map(({ file }) => file);
    const unchanged = changes.length - missing.length - differing.length;
    out.say(`mesh config: ${written.length} entries written to Consul, ${unchanged} were there`);
    out.event("config", { written: written.map(({ file }) => file), unchanged, differing, problems });
    if (differing.length > 0) {
      out.say(`Consul has another ${differing.join(", ")}: run \`ferry diff\`, then \`ferry apply\``);
    }
    for (const problem of problems) tell(out, refusalText(problem));
  } finally {
    client.close();
  }
}

function tell(out: Console, sentence: string): void {
  out.warn(`ferry: ${sentence}`);
  out.event("trouble", { message: sentence });
}
