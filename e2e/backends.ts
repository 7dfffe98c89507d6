// `npm run e2e:backends`: the whole journey on four real servers (Consul, NATS JetStream, Postgres, Jaeger) as
// processes, then each server killed under load. Starts everything by itself, private and on free ports; needs the
// programs that scripts/servers.sh finds, and grpcurl.
//
// stdout: a summary for people, or with --json one object as the last line. stderr: progress. Exit code 0: everything
// held; else 1 with one sentence for each thing that did not. Ends by itself, also when something hangs, and leaves no
// process behind, also on SIGINT.

import { readFlags } from "../common/script-flags.ts";
import { type OutageRow, playOutages } from "./backends/outages.ts";
import { playJourney } from "./backends/quoter-journey.ts";
import { findPrograms, startServers } from "./backends/real-servers.ts";
import { playSteering, type Steering } from "./backends/steering.ts";
import { startSystem } from "./backends/system.ts";
import { say } from "./testing/say.ts";

interface Result {
  readonly registry: string;
  readonly events: string;
  readonly readModel: string;
  readonly traceSpans: number;
  readonly calls: number;
  readonly failed: number;
  readonly steering: Steering;
  readonly outages: readonly OutageRow[];
  readonly problems: readonly string[];
}

/** For everything; a run takes a few minutes. */
const limitMs = 7 * 60_000;
/** For the end of one thing, when it hangs; the system itself has a minute for its drain. */
const endLimitMs = 75_000;

const options = readFlags("e2e:backends", { json: { type: "boolean", default: false } });
const ends: (() => Promise<unknown>)[] = [];
let isEnding = false;

/** Ends what was started, the last first, and the process with it. */
async function end(exitCode: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  for (const stop of ends.toReversed()) {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("it hangs and is left")), endLimitMs);
    await Promise.race([stop(), late.promise]).catch((error: unknown) => say(`while stopping: ${error}`));
    clearTimeout(timer);
  }
  process.exit(exitCode);
}

function cleanup(stop: () => Promise<unknown>): void {
  if (isEnding) throw new Error("everything is being stopped");
  ends.push(stop);
}

async function run(): Promise<Result> {
  findPrograms();
  say("starting consul, nats-server, postgres and jaeger");
  const servers = await startServers(cleanup);
  say(`${Object.values(servers.versions).join(", ")}; starting the system`);
  const system = await startSystem(servers, cleanup);
  say(`the gateway is at ${system.gateway}`);
  const journey = await playJourney({
    gateway: system.gateway,
    jaeger: servers.jaeger.query,
    onStep: (name) => say(`  ${name}`),
  });
  say("steering by Consul's own program under load");
  const { steering, problems: unsteered } = await playSteering(servers, system.gateway);
  say(JSON.stringify(steering));
  const { rows: outages, problems } = await playOutages({ servers, system, say });
  say("stopping");
  const left = await system.stop();
  const { traceSpans, calls, failed } = journey;
  const all = [...journey.problems, ...unsteered, ...problems, ...left];
  return { ...servers.versions, traceSpans, calls, failed, steering, outages, problems: all };
}

function show(result: Result): void {
  const { registry, events, readModel, traceSpans, calls, failed, outages } = result;
  console.log(`on ${registry}, ${events}, ${readModel}:`);
  console.log(`${calls} calls, ${failed} failed; the trace of one command has ${traceSpans} spans`);
  console.table([result.steering]);
  console.table(outages);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    say(`${signal}: stopping everything`);
    void end(1);
  });
}
setTimeout(() => {
  say(`not done within ${limitMs / 60_000} minutes: stopping everything`);
  void end(1);
}, limitMs).unref();

try {
  const result = await run();
  if (options.json) console.log(JSON.stringify(result));
  else show(result);
  for (const problem of result.problems) console.error(`e2e:backends: ${problem}`);
  await end(result.problems.length === 0 ? 0 : 1);
} catch (error) {
  if (!isEnding) console.error(`e2e:backends: ${error instanceof Error ? error.message : String(error)}`);
  await end(1);
}
