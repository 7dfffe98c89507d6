// `npm run fuzz:http2 -- [--seconds 60] [--seed N] [--json] [--replay file]`: broken conversations, made from recorded
// ones by a seed, with connections of ours in both roles in this process, and with a `ferry proxy` process beside it.
//
// stdout: a summary for people, or with --json one object as the last line. A case that fails is printed with its seed,
// step and octets and saved to a file that --replay plays again; the same seed makes the same cases in the same order.
// Exit code 0: nothing failed.

import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readFlags, readNumberFlag } from "../../../../common/script-flags.ts";
import { makeTrial } from "./make-trial.ts";
import { ProxyTarget } from "./proxy-target.ts";
import { readCorpus } from "./recording.ts";
import { runTrial, type Trial, type TrialResult } from "./trial.ts";

const options = readFlags("fuzz:http2", {
  seconds: { type: "string", default: "60" },
  seed: { type: "string", default: "1" },
  json: { type: "boolean", default: false },
  replay: { type: "string" },
  // In this process only: faster, and nothing but node is needed.
  alone: { type: "boolean", default: false },
});
const seconds = readNumberFlag("fuzz:http2", "seconds", { text: options.seconds, min: 1, max: 7 * 86_400 });
const seed = readNumberFlag("fuzz:http2", "seed", { text: options.seed, min: 0, max: 2 ** 32 - 1, isWhole: true });

interface Failure {
  readonly seed: number;
  readonly step: number;
  readonly what: string;
  readonly problems: readonly string[];
  readonly file: string;
}

/** A read that holds the process longer than this, three times in a row, is a failure. */
const maxReadMs = 100;
const maxHeapGrowthMb = 20;
const maxFailures = 10;
/** Every so many steps one goes to the proxy, too. */
const proxyEvery = 20;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

let escaped: string[] = [];
process.on("uncaughtException", (error) => escaped.push(`exception: ${error.stack ?? String(error)}`));
process.on("unhandledRejection", (error) => escaped.push(`unhandled rejection: ${String(error)}`));

/** Runs it, with what escaped; a slow one again, since others use the machine too. */
async function judge(trial: Trial): Promise<TrialResult> {
  escaped = [];
  let result = await runTrial(trial).catch((error: unknown) => thrown(error));
  for (let n = 0; n < 2 && result.slowestMs > maxReadMs; n++) result = await runTrial(trial).catch(thrown);
  const slow = result.slowestMs > maxReadMs ? [`a read took ${Math.round(result.slowestMs)} ms`] : [];
  return { ...result, problems: [...result.problems, ...slow, ...escaped] };
}

function thrown(error: unknown): TrialResult {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { problems: [`exception: ${text}`], slowestMs: 0, goawayCode: -1, streams: 0 };
}

function save(trial: Trial, about: { seed: number; step: number; what: string; problems: readonly string[] }): Failure {
  const file = join(mkdtempSync(join(tmpdir(), "ferry-fuzz-")), `${about.seed}-${about.step}.json`);
  const { role, behaviour, ending } = trial;
  const reads = trial.reads.map((read) => read.toString("hex"));
  writeFileSync(file, `${JSON.stringify({ ...about, role, behaviour, ending, reads }, null, 1)}\n`);
  console.error(`fuzz:http2: seed ${about.seed} step ${about.step} (${role}; ${about.what}), saved as ${file}`);
  for (const problem of about.problems) console.error(`  ${problem}`);
  const hex = reads.join("|");
  console.error(`  octets: ${hex.length > 4000 ? `${hex.slice(0, 4000)}… (whole in the file)` : hex}`);
  return { ...about, file };
}

async function heapMb(): Promise<number> {
  // Buffers are given back a turn after their owners.
  for (let n = 0; n < 3; n++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

async function replay(file: string): Promise<number> {
  const saved = JSON.parse(readFileSync(file, "utf8"));
  const reads = saved.reads.map((read: string) => Buffer.from(read, "hex"));
  const result = await judge({ ...saved, reads });
  console.log(JSON.stringify(result));
  return result.problems.length === 0 ? 0 : 1;
}

async function fuzz(): Promise<number> {
  const corpus = readCorpus();
  const failures: Failure[] = [];
  const goaways: Record<string, number> = {};
  const proxy = options.alone ? undefined : await ProxyTarget.start();
  const untilMs = performance.now() + seconds * 1000;
  let step = 0;
  let streams = 0;
  let slowestMs = 0;
  let firstHeapMb = 0;
  for (; performance.now() < untilMs && failures.length < maxFailures; step++) {
    // What is compiled and kept once is there by then.
    if (step === 2000) firstHeapMb = await heapMb();
    const trial = makeTrial(corpus, seed, step);
    const result = await judge(trial);
    goaways[result.goawayCode] = (goaways[result.goawayCode] ?? 0) + 1;
    streams += result.streams;
    slowestMs = Math.max(slowestMs, result.slowestMs);
    const problems = [...result.problems];
    if (step % proxyEvery === 0) problems.push(...((await proxy?.attack(trial)) ?? []));
    if (problems.length > 0) failures.push(save(trial, { seed, step, what: trial.what, problems }));
  }
  const heapGrowthMb = step > 4000 ? Math.round(((await heapMb()) - firstHeapMb) * 10) / 10 : 0;
  const problems = failures.map((failure) => `step ${failure.step}: ${failure.problems[0]} (${failure.file})`);
  if (heapGrowthMb > maxHeapGrowthMb) problems.push(`the heap grew by ${heapGrowthMb} MB`);
  const proxyReport = await proxy?.stop();
  problems.push(...(proxyReport?.problems ?? []));
  const report = { seed, steps: step, streams, goaways, slowestReadMs: Math.round(slowestMs), heapGrowthMb };
  const result = { ...report, proxy: proxyReport?.figures ?? null, failures, problems };
  if (options.json) console.log(JSON.stringify(result));
  else console.log(`seed ${seed}: ${step} conversations, ${streams} streams, ${problems.length} problems`, report);
  for (const problem of problems) console.error(`fuzz:http2: ${problem}`);
  return problems.length === 0 ? 0 : 1;
}

process.exit(options.replay !== undefined ? await replay(options.replay) : await fuzz());
