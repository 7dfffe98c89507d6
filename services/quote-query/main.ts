// The quote-query process: settings, read model, services, ready line; drains on SIGTERM. The only file of this service
// that reads the environment and exits.

import { systemClock } from "../../common/clock.ts";
import { jsonLog } from "../../common/json-log.ts";
import { systemRandom } from "../../common/random.ts";
import { serve } from "../kit/serve.ts";
import { runServiceProcess } from "../kit/service-process.ts";
import { startTracing } from "../kit/tracing.ts";
import { openReadModel } from "../read-model/open-read-model.ts";
import { querySide } from "./query-side.ts";
import { readQuerySettings } from "./settings.ts";

const name = "quote-query";

process.exit(
  await runServiceProcess(name, async (signal) => {
    const settings = readQuerySettings(process.env);
    const instance = settings.instance ?? `${name}-${process.pid}`;
    const tracing = await startTracing({ serviceName: name, env: process.env });
    const lines = jsonLog(instance, settings.logLevel);
    const startWait = { onWaiting: (sentence: string) => lines.info(sentence), signal };
    const reader = await (await openReadModel(settings, startWait)).openReader();
    const end = new AbortController();
    const { services, health } = querySide({
      version: settings.version,
      reader,
      clock: systemClock,
      random: systemRandom,
      signal: end.signal,
    });
    const serving = await serve({
      listen: settings.listen,
      services,
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
        end.abort();
        await reader.close();
        await tracing?.shutdown();
      },
    };
  }),
);
