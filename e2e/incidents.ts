// `npm run e2e:incidents -- [--incident "rolling restart"] [--json]`: plays incidents on real processes under 200
// idempotent queries a second: applications and sidecars that stop, die and come back, networks that are slow or go
// nowhere.
//
// stdout: a table for people, or with --json one object `{rows, problems}` as the last line. stderr: progress. Exit
// code 0: no call failed where an answer was possible, none outlived its deadline, and no process was left.

import { parseArgs } from "node:util";
import { playIncident, type Row } from "./incidents/incident.ts";
import { incidents } from "./incidents/incidents.ts";
import { QueryMesh } from "./incidents/query-mesh.ts";

/** For everything. */
const limitMs = 240_000;

const { values: options } = parseArgs({
  options: { incident: { type: "string" }, json: { type: "boolean", default: false } },
});
const names = options.incident?.split(",");
const unknown = names?.find((name) => !incidents.some((incident) => incident.name === name));
if (unknown !== undefined) {
  console.error(
    `e2e:incidents: no incident "${unknown}"; there are ${incidents.map(({ name }) => `"${name}"`).join(", ")}`,
  );
  process.exit(2);
}

const startMs = performance.now();

function say(text: string): void {
  process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
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
setTimeout(() => {
  say(`not done within ${limitMs / 1000} s`);
  process.exit(1);
}, limitMs).unref();

try {
  const { rows, problems } = await run();
  if (options.json) console.log(JSON.stringify({ rows, problems }));
  else console.table(rows);
  for (const problem of problems) console.error(`e2e:incidents: ${problem}`);
  process.exit(problems.length === 0 ? 0 : 1);
} catch (error) {
  console.error(`e2e:incidents: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
