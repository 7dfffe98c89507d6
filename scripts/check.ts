// Runs every check of the list in check-steps.ts, also behind one that failed, so that one run shows all; ends with 1
// when something failed. `npm run check` runs the checks, `npm run lint` (`--lint`) those that read files only,
// `.ci/run` (`--e2e`) the journeys of whole processes too, and adds by `--passed N --failed N` what it counted itself.
// The last line is `N passed, N failed, N skipped`.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Step, steps } from "./check-steps.ts";
import { root } from "./tracked-files.ts";
import { type Counts, countTests, suiteLines } from "./vitest-report.ts";

/** Runs one step with its output on ours and says what came of it. */
async function runStep(step: Step, folder: string): Promise<Counts> {
  const report = join(folder, `${step.name}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const args = step.counts === "vitest" ? [...step.args, ...reporters] : step.args;
  const exitCode = await runProcess(step.command, args, step.limitMinutes);
  if (step.counts === "vitest") {
    const json = existsSync(report) ? readFileSync(report, "utf8") : undefined;
    for (const line of json === undefined ? [] : suiteLines(json)) console.log(line);
    return countTests(json, exitCode);
  }
  return exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** The exit code; -1 when it could not start or ran into the limit, which ends its whole process group. */
function runProcess(command: string, args: readonly string[], limitMinutes: number): Promise<number> {
  const env = { ...process.env, PATH: `${root}node_modules/.bin:${process.env.PATH}` };
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"], detached: true });
  const end = (signal: NodeJS.Signals) => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, signal);
  };
  const onSignal = () => {
    end("SIGTERM");
    process.exitCode = 1;
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const timer = setTimeout(() => {
    console.log(`stopped: ${command} ran longer than ${limitMinutes} minutes`);
    end("SIGKILL");
  }, limitMinutes * 60_000);
  return new Promise((resolve) => {
    const finish = (code: number) => {
      clearTimeout(timer);
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
      resolve(code);
    };
    child.once("error", () => finish(-1));
    child.once("exit", (code) => finish(code ?? -1));
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      lint: { type: "boolean", default: false },
      e2e: { type: "boolean", default: false },
      passed: { type: "string", default: "0" },
      failed: { type: "string", default: "0" },
    },
  });
  const total = { passed: Number(values.passed), failed: Number(values.failed), skipped: 0 };
  const folder = mkdtempSync(join(tmpdir(), "ferry-check-"));
  const summary: string[] = [];
  const groups: readonly Step["group"][] = values.lint
    ? ["lint"]
    : values.e2e
      ? ["lint", "check", "e2e"]
      : ["lint", "check"];
  for (const step of steps.filter(({ group }) => groups.includes(group))) {
    console.log(`\n--- ${step.name}`);
    const startedMs = performance.now();
    const { passed, failed, skipped } = await runStep(step, folder);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const verdict = failed === 0 ? "ok    " : "FAILED";
    summary.push(`${verdict} ${step.name} (${seconds} s): ${passed} passed, ${failed} failed, ${skipped} skipped`);
  }
  rmSync(folder, { recursive: true });
  console.log(`\n${summary.join("\n")}`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (total.failed > 0) process.exitCode = 1;
}

await main();
