// What compose.yaml promises, played from the first `up` to the last `down`. Called by compose.ts. Each part adds to
// the problems instead of ending the play, but for a system that does not come up.

import { QuoteQueryService } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { Ledger } from "../backends/ledger.ts";
import { playJourney } from "../backends/quoter-journey.ts";
import { SteadyLoad } from "../backends/steady-load.ts";
import { eventually } from "../testing/eventually.ts";
import { GrpcClient } from "../testing/grpc-client.ts";
import type { ComposeProject } from "./compose-project.ts";

export interface UnderLoad {
  readonly queries: number;
  readonly failed: number;
}

export interface ComposeResult {
  readonly upSeconds: number;
  readonly containers: number;
  readonly calls: number;
  readonly failed: number;
  readonly traceSpans: number;
  /** `kill -s KILL` of an application. */
  readonly killed: UnderLoad;
  /** `stop` of another one, and of its sidecar. */
  readonly stopped: UnderLoad;
  /** After the load had drained. */
  readonly downSeconds: number;
  readonly commands: number;
  readonly problems: readonly string[];
}

// These stand in compose.yaml.
const gateway = "127.0.0.1:8080";
const jaeger = "http://127.0.0.1:16686";
/** All that is, sorted. */
const published = ["127.0.0.1:16686", gateway, "127.0.0.1:8500"];

/** What `docker compose down` may take. */
const downLimitSeconds = 45;
/** Calls before a change and after it. */
const before = 100;
const after = 500;

export async function playCompose(project: ComposeProject, say: (text: string) => void): Promise<ComposeResult> {
  const problems: string[] = [];
  say("docker compose up -d --build --wait");
  const { seconds: upSeconds } = await project.run("up", "-d", "--build", "--wait");
  const states = await project.states();
  const bounds = await project.bounds();
  const writable = bounds.filter(({ isReadOnly }) => !isReadOnly).map(({ name }) => name);
  if (writable.length > 0) problems.push(`these can write to their images: ${writable.join(", ")}`);
  const exposed = bounds.flatMap((container) => container.published).sort();
  if (exposed.join() !== published.join())
    problems.push(`published: ${exposed.join(", ")}, not ${published.join(", ")}`);
  say(`up after ${upSeconds} s: ${states.size} containers; the journey`);
  const journey = await playJourney({ gateway, jaeger, onStep: (name) => say(`  ${name}`) });
  problems.push(...journey.problems);

  const ledger = new Ledger();
  const load = new SteadyLoad({ gateway, ledger, queriesPerSecond: 50, commandsPerSecond: 5 });
  await load.start();
  const during = async (...words: readonly string[]): Promise<UnderLoad> => {
    say(`docker compose ${words.join(" ")}, under load`);
    await load.untilQueries(before);
    const [queries, failures] = [load.queries, load.queryFailures.length];
    await project.run(...words);
    await load.untilQueries(after);
    const failed = load.queryFailures.slice(failures);
    if (failed.length > 0) problems.push(`${words.join(" ")}: ${failed.length} queries failed, as ${failed[0]?.what}`);
    return { queries: load.queries - queries, failed: failed.length };
  };
  const killed = await during("kill", "-s", "KILL", "quote-query-1");
  // Not --wait: it ends at once where a sidecar is unhealthy, as one whose application was away for a while is.
  await project.run("up", "-d");
  await isHealthy(project);
  const stopped = await during("stop", "quote-query-2", "quote-query-2-sidecar");
  say("the load drains, then docker compose down");
  await load.settle(30_000);
  const { position } = await load.probe();
  await load.seesEverywhere(position);
  load.stop();
  const { seconds: downSeconds } = await project.run("down");
  if (downSeconds >= downLimitSeconds) problems.push(`docker compose down took ${downSeconds} s`);

  say(`down after ${downSeconds} s; up again on what must last`);
  await project.run("up", "-d", "--wait");
  await lasts(ledger.ids).catch((error: unknown) => problems.push(String(error)));
  const { calls, failed, traceSpans } = journey;
  return {
    ...{ upSeconds, containers: states.size, calls, failed, traceSpans, killed, stopped },
    ...{ downSeconds, commands: load.commands, problems },
  };
}

/** Resolves when no container that has a check fails it any more. */
function isHealthy(project: ComposeProject): Promise<unknown> {
  return eventually("every container is healthy", 60_000, async () => {
    const ill = [...(await project.states())].filter(([, state]) => /unhealthy|starting/.test(state));
    if (ill.length > 0) throw new Error(ill.map((words) => words.join(" ")).join(", "));
    return true;
  });
}

/** Every quote that was promised before the end is there after it. */
async function lasts(quoteIds: readonly string[]): Promise<void> {
  const client = new GrpcClient(gateway);
  const { getQuote } = QuoteQueryService.method;
  try {
    for (const quoteId of quoteIds) {
      await eventually(`quote ${quoteId} is there after down and up`, 10_000, async () => {
        const { code, message } = await client.unary(getQuote, { quoteId }, { timeoutMs: 5_000 });
        if (code !== "OK") throw new Error(`${code} ${message}`);
        return true;
      });
    }
  } finally {
    client.close();
  }
}
