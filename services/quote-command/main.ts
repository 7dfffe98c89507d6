// The quote-command process: settings, event log, service, ready line; drains on SIGTERM. The only file of this service
// that reads the environment and exits.

import { systemClock } from "../../common/clock.ts";
import { jsonLog } from "../../common/json-log.ts";
import { systemRandom } from "../../common/random.ts";
import { openEventLog } from "../events/open-event-log.ts";
import { serve } from "../kit/serve.ts";
import { runServiceProcess } from "../kit/service-process.ts";
import { startTracing } from "../kit/tracing.ts";
import { commandSide } from "./service.ts";
import { readCommandSettings } from "./settings.ts";

const name = "quote-command";

process.exit(
  await runServiceProcess(name, async (signal) => {
    const settings = readCommandSettings(process.env);
    const instance = settings.instance ?? `${name}-${process.pid}`;
    const tracing = await startTracing({ serviceName: name, env: process.env });
    const lines = jsonLog(instance, settings.logLevel);
    const plainLog = await openEventLog(settings, { onWaiting: (sentence) => lines.info(sentence), signal });
    // Loaded only when somebody collects spans: it brings the OpenTelemetry API along.
    const log =
      tracing === undefined ? plainLog : (await import("../events/traced-event-log.ts")).tracedEventLog(plainLog);
    const { service, health } = commandSide({ log, clock: systemClock, random: systemRandom });
    const serving = await serve({
      listen: settings.listen,
      services: [service],
      health,
      headers: { "x-quoter-version": settings.version, "x-quoter-instance": instance },
      log: lines,
      tracing,
      drainPropagationMs: settings.drainPropagationMs,
      drainGraceMs: settings.drainGraceMs,
    });
    return {
      ready: { listen: `${serving.host}:${serving.port}`, service: name, instance, version: settings.version },
      async drain() {
        await serving.drain();
        await log.close();
        await tracing?.shutdown();
      },
    };
  }),
);
