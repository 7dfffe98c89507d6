// Plays named incidents against our policies beside none at all and plain retries:
//
//   npm run bench:resilience -- [--incident name] [--seed 1] [--json] [--write]
//
// A simulation by events: the real layers of our stacks on a clock that jumps, instances and the network modelled. The
// same seed gives the same figures everywhere. stdout: a table, or with --json one object as the last line; `--write`
// makes docs/results/resilience.md of it. Ends with 1 when our success is below another's, or calls are amplified by
// more than 1.2. See bench/README.md.

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { resultLine } from "../common/json-output.ts";
import { readFlags } from "../common/script-flags.ts";
import { playIncident, type Row } from "./resilience/incident.ts";
import { incidents } from "./resilience/incidents.ts";
import { policies } from "./resilience/policies.ts";
import { problemsOf, resultsPage, table } from "./resilience/report.ts";

const options = readFlags("bench:resilience", {
  incident: { type: "string" },
  seed: { type: "string", default: "1" },
  json: { type: "boolean", default: false },
  write: { type: "boolean", default: false },
});
const seed = Number(options.seed);
const chosen = incidents.filter(({ name }) => options.incident === undefined || name === options.incident);
if (!Number.isInteger(seed) || seed < 0 || chosen.length === 0) {
  const names = [...new Set(incidents.map(({ name }) => name))].join(", ");
  console.error(`bench:resilience: expected --seed from 0 on, and an --incident of ${names}`);
  process.exit(2);
}
if (options.write && chosen.length < incidents.length) {
  console.error("bench:resilience: --write is for all incidents together");
  process.exit(2);
}

const rows: Row[] = [];
for (const incident of chosen) {
  for (const policy of policies) {
    const beganMs = performance.now();
    const row = await playIncident(incident, policy, seed);
    rows.push(row);
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
    console.error(`${seconds} s  ${incident.name} at ${incident.callsPerSecond}/s, ${policy}: success ${row.success}`);
  }
}
const problems = problemsOf(rows);
if (options.write) {
  const file = fileURLToPath(new URL("../docs/results/resilience.md", import.meta.url));
  mkdirSync(fileURLToPath(new URL("../docs/results", import.meta.url)), { recursive: true });
  writeFileSync(file, resultsPage(chosen, rows, seed));
}
if (options.json) console.log(resultLine("bench:resilience", problems.length === 0, { seed, rows, problems }));
else console.log(table(rows));
for (const problem of problems) console.error(`bench:resilience: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
