// `ferry`: the table of commands, and the one place that turns what a command threw into a sentence and an exit code.

import { Command, CommanderError } from "commander";
import { resultLine } from "../common/json-output.ts";
import { applyCommand } from "./apply.ts";
import { benchCommand } from "./bench.ts";
import { callCommand } from "./call.ts";
import { checkCommand } from "./check.ts";
import { diffCommand } from "./diff.ts";
import { eventsCommand } from "./events.ts";
import { CommandError, exitOk, exitUnmet, exitUsage, UsageError } from "./exit.ts";
import { proxyCommand } from "./proxy.ts";
import { routeCommand } from "./route.ts";
import { runCommand } from "./run.ts";
import { statusCommand } from "./status.ts";
import { upCommand } from "./up.ts";

const finish = (code: number): void => {
  process.exitCode = code;
};

const program = new Command("ferry")
  .description("Ferry: a gRPC service mesh")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "ferry: ").replace(/\n(?=.)/g, " ")),
  })
  .exitOverride()
  .showSuggestionAfterError(true);

for (const command of [
  upCommand,
  runCommand,
  statusCommand,
  callCommand,
  benchCommand,
  checkCommand,
  applyCommand,
  diffCommand,
  eventsCommand,
  routeCommand,
  proxyCommand,
]) {
  program.addCommand(command(finish).copyInheritedSettings(program));
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitOk : exitUsage;
  const isExpected = error instanceof UsageError || error instanceof CommandError;
  const sentence = isExpected
    ? error.message
    : `a defect in ferry: ${error instanceof Error ? error.stack : String(error)}`;
  process.stderr.write(`ferry: ${sentence}\n`);
  if (process.argv.includes("--json")) {
    process.stdout.write(`${resultLine(process.argv[2] ?? "", false, { error: sentence })}\n`);
  }
  return error instanceof UsageError ? exitUsage : exitUnmet;
}
