// The quote-projector process: settings, event log, one read model, ready line; SIGTERM and SIGINT finish the batch at
// hand and end with code 0. The only file of this service that reads the environment and exits.
// `--rebuild`: builds the model again from the whole log while the one before it serves.

import { systemClock } from "../../common/clock.ts";
import { jsonLog } from "../../common/json-log.ts";
import { eventLine } from "../../common/json-output.ts";
import { stayAlive } from "../../common/stay-alive.ts";
import { openEventLog } from "../events/open-event-log.ts";
import { startTracing } from "../kit/tracing.ts";
import { openReadModel } from "../read-model/open-read-model.ts";
import { startProjector } from "./projector.ts";
import { readProjectorSettings } from "./settings.ts";

const name = "quote-projector";

process.exit(await run());

async function run(): Promise<number> {
  const end = new AbortController();
  process.on("SIGTERM", () => end.abort());
  process.on("SIGINT", () => end.abort());
  const mayEnd = stayAlive();
  try {
    const settings = readProjectorSettings(process.env, process.argv.slice(2));
    const tracing = await startTracing({ serviceName: name, env: process.env });
    const lines = jsonLog(settings.instance ?? `${name}-${process.pid}`, settings.logLevel);
    const startWait = { onWaiting: (sentence: string) => lines.info(sentence), signal: end.signal };
    const store = await openReadModel(settings, startWait);
    // Loaded only when somebody collects spans: it brings the OpenTelemetry API along.
    const spans = tracing === undefined ? undefined : (await import("./project-spans.ts")).projectSpans(store.name);
    const log = await openEventLog(settings, startWait);
    const options = { store, log, clock: systemClock, jsonLog: lines, rebuild: settings.rebuild, spans };
    const { position, ended } = await startProjector(options, end.signal);
    process.stdout.write(`${eventLine("ready", { model: store.name, position, pid: process.pid })}\n`);
    await ended;
    await log.close();
    await tracing?.shutdown();
    return 0;
  } catch (error) {
    // Told to end while it waited for a server.
    if (error === end.signal.reason) return 0;
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    mayEnd();
  }
}
