// `npm run soak:proxy -- [--minutes 10] [--json]`: mixed load through a `ferry proxy` process, with connections that
// come and go, a backend that sends its connections away every few seconds, and a slow reader. All payloads are
// compared.
//
// Memory is the proxy's VmRSS, the least of three readings after a full collection, every 15 s; what counts begins
// after the warm-up (a tenth of the time, at most a minute). At the end the load stops: no connection, no call and no
// handle may be left that was not there before. stdout: a summary, or with --json one object as the last line. Exit
// code 0: no wrong payload, no error, memory flat within 10 %, nothing left.

import { readFlags, readNumberFlag } from "../common/script-flags.ts";
import { Target } from "./attack/target.ts";
import { warmUp } from "./attack/warm-up.ts";
import { MixedLoad } from "./soak/mixed-load.ts";

const options = readFlags("soak:proxy", {
  minutes: { type: "string", default: "10" },
  json: { type: "boolean", default: false },
});
const minutes = readNumberFlag("soak:proxy", "minutes", { text: options.minutes, min: 0.1, max: 24 * 60 });

const readEveryMs = Math.min(15_000, minutes * 3000);
const goawayEveryMs = 7000;
const mayGrow = 0.1;
const startMs = performance.now();

function say(text: string): void {
  process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
}

/** What keeps the proxy's process alive, by kind; timers come and go and are left out. */
async function handlesOf(target: Target): Promise<Readonly<Record<string, number>>> {
  const kinds = await target.inspector.evaluate("process.getActiveResourcesInfo()");
  const counts: Record<string, number> = {};
  for (const kind of Array.isArray(kinds) ? kinds.map(String) : []) {
    if (kind !== "Timeout" && kind !== "Immediate") counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Until the proxy has no connection and no call, for at most 20 s; what is left then. */
async function untilEmpty(target: Target): Promise<Readonly<Record<string, number>>> {
  const names = ['ferry_connections{at="outbound"}', 'ferry_connections{at="pool"}', "ferry_calls_in_flight"];
  let left: Record<string, number> = {};
  for (let n = 0; n < 100; n++) {
    target.backendGoaway();
    const metrics = await target.metrics();
    left = Object.fromEntries(names.map((name) => [name, metrics.get(name) ?? 0]));
    if (Object.values(left).every((count) => count === 0)) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return left;
}

async function soak() {
  const target = await Target.start({ victimConnections: 0, victimCallsPerSecond: 1 });
  // Metrics come over a connection that is kept; it is ours, before and after.
  await target.metrics();
  const handlesBefore = await handlesOf(target);
  await warmUp(target.port);
  const load = new MixedLoad(target.port);
  load.start();
  let goaways = 0;
  const goingAway = setInterval(() => {
    goaways++;
    target.backendGoaway();
  }, goawayEveryMs);
  const untilMs = performance.now() + minutes * 60_000;
  const warmMs = performance.now() + Math.min(60_000, minutes * 6000);
  const readings: number[] = [];
  while (performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(readEveryMs, untilMs - performance.now())));
    const rssMb = await target.settledRssMb();
    if (performance.now() >= warmMs) readings.push(rssMb);
    const { calls, wrong, connections, errors } = load.counts;
    say(
      `${rssMb.toFixed(1)} MB, ${calls} calls, ${wrong} wrong, ${connections} connections, ${errors.size} kinds of error`,
    );
  }
  clearInterval(goingAway);
  await load.stop();
  const left = await untilEmpty(target);
  const handles = await handlesOf(target);
  const forcedCloses = await target.forcedCloses();
  const defects = target.defects();
  const exitCode = await target.stop();
  return { load: load.counts, goaways, readings, left, handlesBefore, handles, forcedCloses, defects, exitCode };
}

function problemsOf(run: Awaited<ReturnType<typeof soak>>): readonly string[] {
  const { load, readings, left, handles, handlesBefore, defects, exitCode } = run;
  const problems: string[] = [];
  if (load.wrong > 0) problems.push(`${load.wrong} payloads were wrong`);
  for (const [error, count] of load.errors) problems.push(`${count} calls: ${error}`);
  const first = readings[0] ?? 0;
  const highest = Math.max(...readings);
  if (highest > first * (1 + mayGrow))
    problems.push(`memory went from ${first.toFixed(1)} to ${highest.toFixed(1)} MB`);
  for (const [name, count] of Object.entries(left)) if (count > 0) problems.push(`${name} is ${count} at the end`);
  for (const [kind, count] of Object.entries(handles)) {
    const before = handlesBefore[kind] ?? 0;
    if (count > before) problems.push(`${count - before} ${kind} more than before`);
  }
  for (const line of defects) problems.push(`the proxy said: ${line}`);
  if (exitCode !== 0) problems.push(`the proxy ended with ${exitCode}`);
  return problems;
}

const run = await soak();
const problems = problemsOf(run);
const { load, readings } = run;
const tenths = (value: number | undefined) => Math.round((value ?? 0) * 10) / 10;
const result = {
  ...{ minutes, calls: load.calls, wrong: load.wrong },
  errors: [...load.errors.values()].reduce((sum, count) => sum + count, 0),
  ...{ cancelled: load.cancelled, refusedUploads: load.refusedUploads },
  ...{ connections: load.connections, backendGoaways: run.goaways },
  megabytes: Math.round(load.bytes / 1e6),
  ...{ rssStartMb: tenths(readings[0]), rssEndMb: tenths(readings.at(-1)), rssMaxMb: tenths(Math.max(...readings)) },
  ...{ left: run.left, openHandles: run.handles, forcedCloses: run.forcedCloses, problems },
};
console.log(options.json ? JSON.stringify(result) : result);
for (const problem of problems) console.error(`soak:proxy: ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
