// `npm run e2e:incidents -- [--incident "rolling restart"] [--json]`: plays incidents on real processes under 200
// idempotent queries a second: applications and sidecars that stop, die and come back, networks that are slow or go
// nowhere.
//
// stdout: a table for people, or with --json one object `{rows, problems}` as the last line. stderr: progress. Exit
// code 0: no call failed where an answer was possible, none outlived its deadline, and no process was left.

import { readFlags } from "../common/script-flags.ts";
import { playIncident, type Row } from "./incidents/incident.ts";
import { incidents } from "./incidents/incidents.ts";
import { QueryMesh } from "./incidents/query-mesh.ts";
import { playToEnd } from "./testing/play-to-end.ts";
import { say } from "./testing/say.ts";

/** For everything. */
const limitMs = 240_000;

const options = readFlags("e2e:incidents", {
  incident: { type: "string" },
  json: { type: "boolean", default: false },
});
const names = options.incident?.split(",");
const unknown = names?.find((name) => !incidents.some((incident) => incident.name === name));
if (unknown !== undefined) {
  console.error(
    `e2e:incidents: no incident "${unknown}"; there are ${incidents.map(({ name }) => `"${name}"`).join(", ")}`,
  );
  process.exit(2);
}

async function run(): Promise<{ rows: readonly Row[]; problems: readonly string[] }> {
  const mesh = await QueryMesh.start();
  say(`the gateway listens on ${mesh.gateway}`);
  const rows: Row[] = [];
  const problems: string[] = [];
  try {
    for (const incident of incidents) {
      if (names !== undefined && !names.includes(incident.name)) continue;
      say(incident.name);
      const played = await playIncident(incident, mesh);
      say(JSON.stringify(played.row));
      rows.push(played.row);
      problems.push(...played.problems);
    }
  } finally {
    problems.push(...(await mesh.stop()));
  }
  return { rows, problems };
}

// An exit of ours ends every process of the mesh (query-mesh.ts).
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await playToEnd({ name: "e2e:incidents", limitMs, isJson: options.json, play: run, shown: (row) => row });
