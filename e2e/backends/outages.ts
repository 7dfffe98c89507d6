// Each server goes away under a steady load and comes back, one after the other: kill -9 of Consul, NATS and Postgres,
// and NATS once only stopped, so that its connections stay open. None of our processes may be started again. What must
// hold while a server is away stands in the table; afterwards nothing is lost, nothing is doubled, and everything goes
// on by itself.

import { eventually } from "../testing/eventually.ts";
import { audit } from "./audit.ts";
import { Ledger } from "./ledger.ts";
import type { Servers } from "./real-servers.ts";
import { type Failure, SteadyLoad } from "./steady-load.ts";
import type { System } from "./system.ts";

export interface OutageRow {
  readonly server: string;
  /** From the kill until it serves again. */
  readonly awayMs: number;
  /** Queries and acknowledged commands from the kill until all is checked. */
  readonly queries: number;
  readonly queriesFailed: number;
  readonly commands: number;
  /** Attempts that were refused; each was repeated by the same command id. */
  readonly commandsRefused: number;
  readonly lost: number;
  readonly doubled: number;
  /** From when it serves again until a new command is in both read models and `ferry status` finds all healthy. */
  readonly resumedMs: number;
  /** The longest that a failed query or a refused command took to say so. */
  readonly slowestRefusalMs: number;
}

interface Outage {
  readonly server: string;
  /** Queries that pass while it is away. */
  readonly queriesAway: number;
  readonly mayFail: "queries" | "commands" | "nothing";
  away(servers: Servers): Promise<void>;
  back(servers: Servers): Promise<void>;
}

const queriesPerSecond = 50;
const commandsPerSecond = 10;

const outages: readonly Outage[] = [
  {
    server: "consul",
    // Longer than the TTL of our checks, so that they are critical when it is back, until they are fed.
    queriesAway: 650,
    mayFail: "nothing",
    away: ({ consul }) => consul.kill(),
    back: ({ consul }) => consul.restart(),
  },
  {
    server: "nats",
    queriesAway: 250,
    mayFail: "commands",
    away: ({ nats }) => nats.kill("SIGKILL"),
    back: ({ nats }) => nats.restart(),
  },
  {
    server: "nats (stopped, connections open)",
    queriesAway: 150,
    mayFail: "commands",
    away: async ({ nats }) => nats.signal("SIGSTOP"),
    back: async ({ nats }) => nats.signal("SIGCONT"),
  },
  {
    server: "postgres",
    queriesAway: 250,
    mayFail: "queries",
    away: ({ postgres }) => postgres.stop("SIGKILL"),
    back: ({ postgres }) => postgres.restart(),
  },
];

/** What we state: as long as a server's return may take to be noticed, and an explained refusal to come. */
const resumedWithinMs = 15_000;
const refusedWithinMs = 3000;
const settledWithinMs = 20_000;

export interface OutageParams {
  readonly servers: Servers;
  readonly system: System;
  readonly say: (text: string) => void;
}

export async function playOutages(params: OutageParams): Promise<{ rows: OutageRow[]; problems: string[] }> {
  const { system, say } = params;
  const ledger = new Ledger();
  const load = new SteadyLoad({ gateway: system.gateway, ledger, queriesPerSecond, commandsPerSecond });
  const rows: OutageRow[] = [];
  const problems: string[] = [];
  const before = system.processes();
  try {
    await load.start();
    await load.untilQueries(100);
    demandQuiet(load, problems);
    for (const outage of outages) {
      say(`${outage.server} goes away under ${queriesPerSecond} queries and ${commandsPerSecond} commands a second`);
      const { row, wrong } = await playOutage(outage, load, ledger, params);
      say(JSON.stringify(row));
      rows.push(row);
      for (const problem of wrong) problems.push(`${outage.server}: ${problem}`);
    }
  } finally {
    load.stop();
  }
  if (system.processes() !== before) problems.push(`not the same processes: ${before} became ${system.processes()}`);
  for (const trouble of system.troubles()) problems.push(`ferry up had trouble: ${trouble}`);
  return { rows, problems };
}

async function playOutage(outage: Outage, load: SteadyLoad, ledger: Ledger, { servers, system }: OutageParams) {
  const start = countsOf(load);
  const killedMs = performance.now();
  await outage.away(servers);
  await load.untilQueries(outage.queriesAway);
  await outage.back(servers);
  const servesMs = performance.now();
  await resumed(load, system);
  const resumedMs = performance.now();
  // Also when it is back for everybody, no call may fail.
  await load.untilQueries(queriesPerSecond);
  await load.settle(settledWithinMs);
  const { problems, lost, doubled } = await audit(servers, ledger);
  load.resume();
  const queryFailures = load.queryFailures.slice(start.queryFailures);
  const refusals = load.refusals.slice(start.refusals);
  const row: OutageRow = {
    server: outage.server,
    awayMs: Math.round(servesMs - killedMs),
    queries: load.queries - start.queries,
    queriesFailed: queryFailures.length,
    commands: load.commands - start.commands,
    commandsRefused: refusals.length,
    ...{ lost, doubled, resumedMs: Math.round(resumedMs - servesMs) },
    slowestRefusalMs: Math.max(0, ...[...queryFailures, ...refusals].map(({ tookMs }) => tookMs)),
  };
  const wrong = [
    ...problems,
    ...(outage.mayFail === "queries"
      ? notExplained(queryFailures, resumedMs)
      : unwanted("query", queryFailures, killedMs)),
    ...(outage.mayFail === "commands" ? notExplained(refusals, resumedMs) : unwanted("command", refusals, killedMs)),
  ];
  if (row.resumedMs > resumedWithinMs) wrong.push(`resumed after ${row.resumedMs} ms, not within ${resumedWithinMs}`);
  return { row, wrong };
}

function countsOf({ queries, commands, queryFailures, refusals }: SteadyLoad) {
  return { queries, commands, queryFailures: queryFailures.length, refusals: refusals.length };
}

/** A new command is acknowledged and seen in both read models, and nobody has anything to complain about. */
async function resumed(load: SteadyLoad, system: System): Promise<void> {
  const { position } = await load.probe();
  await load.seesEverywhere(position);
  await eventually("all is healthy again", 3 * resumedWithinMs, async () => {
    const troubles = await system.unhealthy();
    if (troubles.length > 0) throw new Error(troubles.join("; "));
    return true;
  });
}

function demandQuiet({ queryFailures, refusals }: SteadyLoad, problems: string[]): void {
  for (const sentence of [...unwanted("query", queryFailures), ...unwanted("command", refusals)]) {
    problems.push(`before anything went away: ${sentence}`);
  }
}

function unwanted(kind: "query" | "command", failures: readonly Failure[], sinceMs = 0): readonly string[] {
  const [first, last] = [failures[0], failures.at(-1)];
  if (first === undefined || last === undefined) return [];
  const [fromMs, toMs] = [first, last].map(({ atMs }) => Math.round(atMs - sinceMs));
  return [
    `${failures.length} times a ${kind} failed, ${fromMs} to ${toMs} ms after the start, first with ${first.what}`,
  ];
}

/** What may fail must fail fast, with a status that says to try again and why, and not when all is back. */
function notExplained(failures: readonly Failure[], resumedMs: number): readonly string[] {
  const rules: readonly [string, (failure: Failure) => boolean][] = [
    ["was not UNAVAILABLE", ({ code }) => code !== "UNAVAILABLE"],
    ["did not say why", ({ message }) => message === ""],
    [`took longer than ${refusedWithinMs} ms`, ({ tookMs }) => tookMs > refusedWithinMs],
    ["came when all was back", ({ atMs, tookMs }) => atMs - tookMs > resumedMs],
  ];
  return rules.flatMap(([rule, breaks]) => {
    const broken = failures.filter(breaks);
    if (broken.length === 0) return [];
    return [
      `${broken.length} of ${failures.length} refusals ${rule}: ${broken[0]!.what} after ${broken[0]!.tookMs} ms`,
    ];
  });
}
