// The sidecar process: settings -> build -> listen -> drain on SIGTERM. The only file of the sidecar that reads the
// environment and exits. Prints one JSON line on stdout when it listens, one when it has drained; logs go to stderr.

import { jsonLog } from "../common/json-log.ts";
import { describeProblems } from "../common/settings.ts";
import { readSidecarSettings } from "./settings.ts";
import { type Sidecar, startSidecar } from "./sidecar.ts";
import { tuneEngine } from "./tune-engine.ts";

function say(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function fail(sentence: string): never {
  process.stderr.write(`ferry-sidecar: ${sentence}\n`);
  process.exit(1);
}

tuneEngine();
const result = readSidecarSettings(process.env);
if ("problems" in result) fail(describeProblems(result.problems));
const { settings } = result;
const log = jsonLog(settings.role === "gateway" ? "gateway" : `sidecar ${settings.service}`, settings.log);

let sidecar: Sidecar | undefined;
let isStopping = false;
async function stop(): Promise<void> {
  // Nothing is served yet. A container's first process is not ended by a signal that it does not handle.
  if (sidecar === undefined) process.exit(0);
  // The second signal: whoever sent it does not want to wait.
  if (isStopping) return sidecar.hurry();
  isStopping = true;
  await sidecar.drain(() => say({ event: "drained", pid: process.pid }));
  process.exit(0);
}
process.on("SIGTERM", () => void stop());
process.on("SIGINT", () => void stop());
process.on("uncaughtException", (error) => {
  log.error("defect: uncaught exception", { error });
  process.exit(1);
});

sidecar = await startSidecar({ settings, env: process.env, pid: process.pid, log }).catch((error: unknown) =>
  fail(error instanceof Error ? error.message : String(error)),
);
say({ event: "ready", ...sidecar.addresses, pid: process.pid });
