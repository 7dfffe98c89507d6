// `npm run e2e:compose`: compose.yaml on a real Docker engine, as its reader runs it, under a project name of its own:
// up, the whole journey with its trace, an application killed and another one stopped under load, down, up again with
// what must last, and away with everything. Takes the ports that compose.yaml publishes, so no other project may run.
//
// stdout: a summary for people, or with --json one object as the last line. stderr: progress. Exit code 0: everything
// held; else 1 with one sentence for each thing that did not.

import { readFlags } from "../common/script-flags.ts";
import { ComposeProject } from "./compose/compose-project.ts";
import { type ComposeResult, playCompose } from "./compose/play-compose.ts";
import { say } from "./testing/say.ts";

const options = readFlags("e2e:compose", { json: { type: "boolean", default: false } });
const project = new ComposeProject("ferry-e2e");

function show({ problems: _, ...figures }: ComposeResult): void {
  for (const [name, value] of Object.entries(figures)) console.log(`${name}: ${JSON.stringify(value)}`);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    say(`${signal}: removing everything`);
    void project.remove().finally(() => process.exit(1));
  });
}

try {
  const result = await playCompose(project, say);
  if (options.json) console.log(JSON.stringify(result));
  else show(result);
  for (const problem of result.problems) console.error(`e2e:compose: ${problem}`);
  process.exitCode = result.problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`e2e:compose: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await project.remove();
}
process.exit();
