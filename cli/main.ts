// `ferry`: the table of commands, and the one place that turns what a command threw into a sentence and an exit code.

import { Command, CommanderError } from "commander";
import { resultLine } from "../common/json-output.ts";
import { CommandError, exitOk, exitUnmet, exitUsage, UsageError } from "./exit.ts";

type MakeCommand = (finish: (code: number) => void) => Command;

/** By name. Each is loaded when it is called: together they take a second and 40 MB. */
const commands: Readonly<Record<string, () => Promise<MakeCommand>>> = {
  up: async () => (await import("./up.ts")).upCommand,
  run: async () => (await import("./run.ts")).runCommand,
  status: async () => (await import("./status.ts")).statusCommand,
  call: async () => (await import("./call.ts")).callCommand,
  bench: async () => (await import("./bench.ts")).benchCommand,
  check: async () => (await import("./check.ts")).checkCommand,
  apply: async () => (await import("./apply.ts")).applyCommand,
  diff: async () => (await import("./diff.ts")).diffCommand,
  events: async () => (await import("./events.ts")).eventsCommand,
  route: async () => (await import("./route.ts")).routeCommand,
  proxy: async () => (await import("./proxy.ts")).proxyCommand,
};

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

const name = process.argv[2] ?? "";
// Without a known name all of them: for help, and to suggest what was meant.
for (const load of Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands)) {
  program.addCommand((await load())(finish).copyInheritedSettings(program));
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
