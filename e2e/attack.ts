// `npm run attack -- [--class name] [--quick] [--json]`: plays each class of known attacks on HTTP/2 against a running
// `ferry proxy` and says which were refused, at what cost of memory, and what happened to another client's calls.
//
// stdout: a table for people, or with --json one object `{rows, problems}` as the last line. stderr: progress. Exit
// code 0: every class held. Whole it takes two minutes at most, since timeouts are waited for; `--quick` leaves those
// out and takes half a minute.

import { readFlags } from "../common/script-flags.ts";
import type { AttackClass } from "./attack/attack-class.ts";
import { connectionFlood, stalledCrowd, streamFlood } from "./attack/classes/crowds.ts";
import { resetAfterResponse, smallFrames, steadyPings } from "./attack/classes/fair-play.ts";
import { floods } from "./attack/classes/floods.ts";
import {
  continuationFloods,
  emptyNames,
  headerBombs,
  oversizedHeaders,
  pinnedFields,
} from "./attack/classes/header-blocks.ts";
import { madeYouReset, rapidReset, resetsOnClosed, spreadReset } from "./attack/classes/resets.ts";
import { silentConnection, slowloris, socketNotRead, stalledStreams } from "./attack/classes/slow.ts";
import { smuggling, upgrade } from "./attack/classes/smuggling.ts";
import { tlsHandshakes, tlsOffers } from "./attack/classes/tls.ts";
import { Player, type Row } from "./attack/play.ts";
import { Target } from "./attack/target.ts";
import { warmUp } from "./attack/warm-up.ts";
import { playToEnd } from "./testing/play-to-end.ts";
import { say } from "./testing/say.ts";

const classes: readonly AttackClass[] = [
  ...[rapidReset, spreadReset, ...madeYouReset, resetsOnClosed],
  ...[...continuationFloods, ...headerBombs, pinnedFields, ...oversizedHeaders, emptyNames],
  ...[...floods, ...smuggling, upgrade, streamFlood, stalledCrowd, connectionFlood],
  ...[resetAfterResponse, smallFrames, steadyPings],
  ...[tlsOffers, ...tlsHandshakes],
  ...[...slowloris, silentConnection, socketNotRead, ...stalledStreams],
];

/** For everything. */
const limitMs = 240_000;

const options = readFlags("attack", {
  class: { type: "string" },
  quick: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
});

function chosen(): readonly AttackClass[] {
  const names = options.class?.split(",");
  const unknown = names?.find((name) => !classes.some((one) => one.name === name));
  if (unknown !== undefined) {
    throw new Error(`no class ${unknown}; there are ${classes.map(({ name }) => name).join(", ")}`);
  }
  if (names !== undefined) return classes.filter(({ name }) => names.includes(name));
  return options.quick ? classes.filter(({ isLong }) => isLong !== true) : classes;
}

async function run(): Promise<{ rows: readonly Row[]; problems: readonly string[] }> {
  const wanted = chosen();
  const target = await Target.start({ victimConnections: 2, victimCallsPerSecond: 60 });
  let stopped = false;
  try {
    say(`the proxy listens on ${target.port}, process ${target.pid}`);
    await warmUp(target.port);
    const calmMs = performance.timeOrigin + performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const calm = await target.victimReport(calmMs, performance.timeOrigin + performance.now());
    say(`the other client alone: ${JSON.stringify(calm)}`);
    const player = new Player(target, say);
    const slowest = await player.begin(wanted.filter(({ isSlowest }) => isSlowest === true));
    const isPlain = ({ isSlow, isSlowest, isDisruptive }: AttackClass) => !isSlow && !isSlowest && !isDisruptive;
    const inTurn = await player.playInTurn(wanted.filter(isPlain));
    const slow = await player.begin(wanted.filter(({ isSlow }) => isSlow === true));
    const rows = [...inTurn, ...(await slow()), ...(await slowest())];
    rows.push(...(await player.playInTurn(wanted.filter(({ isDisruptive }) => isDisruptive === true))));
    say(`closed by force: ${JSON.stringify(await target.forcedCloses())}`);
    const problems = rows.filter(({ held }) => !held).map((row) => `${row.class}: ${row.problem}`);
    problems.push(...target.defects().map((line) => `the proxy said: ${line}`));
    const code = await target.stop();
    stopped = true;
    if (code !== 0) problems.push(`the proxy ended with ${code}`);
    return { rows, problems };
  } finally {
    if (!stopped) await target.stop();
  }
}

await playToEnd({ name: "attack", limitMs, isJson: options.json, play: run, shown: ({ problem: _, ...row }) => row });
