// Writes docs/reference/ and the limits in SECURITY.md from the tables in the code: `npm run docs`. With `--check` (in
// `npm run lint`) it writes nothing and ends with 1 when a page is not what it would write.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cliRows } from "../cli/settings.ts";
import type { SettingRows } from "../common/settings.ts";
import { settingRows as commandRows } from "../services/quote-command/settings.ts";
import { settingRows as projectorRows } from "../services/quote-projector/settings.ts";
import { settingRows as queryRows } from "../services/quote-query/settings.ts";
import { decisions, maxDecisions } from "../sidecar/decision.ts";
import { failures } from "../sidecar/failure.ts";
import { ForcedClose, limitRows, StreamRefusal } from "../sidecar/http2/limits.ts";
import { ferrySettings, topicTitles } from "../sidecar/routing/mesh-config/ferry-settings.ts";
import { sidecarRows } from "../sidecar/settings.ts";
import { callMetrics } from "../sidecar/telemetry/call-metrics.ts";
import { ejectionGauge } from "../sidecar/telemetry/ejection-gauge.ts";
import { limitMetrics } from "../sidecar/telemetry/limit-metrics.ts";
import { MetricRegistry } from "../sidecar/telemetry/metric-registry.ts";
import type { FamilySnapshot } from "../sidecar/telemetry/metric-snapshot.ts";
import { processMetrics } from "../sidecar/telemetry/process-metrics.ts";
import { workerMetrics } from "../sidecar/telemetry/worker-metrics.ts";
import { withLimits } from "./limits-table.ts";
import {
  decisionsPage,
  failuresPage,
  meshConfigPage,
  metricsPage,
  type SettingTable,
  settingsPage,
} from "./reference-pages.ts";
import { root } from "./tracked-files.ts";

function table(title: string, intro: string, rows: SettingRows): SettingTable {
  return { title, intro, rows: Object.values(rows) };
}

/** Every metric that a sidecar defines, without values of interest. */
function metricFamilies(): readonly FamilySnapshot[] {
  const registry = new MetricRegistry();
  callMetrics({ registry, service: "", isKnownMethod: () => true });
  ejectionGauge(registry, () => ({}));
  limitMetrics(registry, () => []);
  const open = { connections: () => ({}), callsInFlight: () => 0 };
  processMetrics({ registry, open, startedWallMs: 0 })();
  workerMetrics(registry, () => ({ running: 0, replaced: 0 }));
  return registry.snapshot();
}

const pages: Readonly<Record<string, string>> = {
  "docs/reference/failures.md": failuresPage(failures),
  "docs/reference/decisions.md": decisionsPage(decisions, maxDecisions),
  "docs/reference/settings.md": settingsPage([
    table("Sidecar and gateway", "`sidecar/main.ts`.", sidecarRows),
    table("quote-command", "`services/quote-command/main.ts`.", commandRows),
    table("quote-query", "`services/quote-query/main.ts`.", queryRows),
    table("quote-projector", "`services/quote-projector/main.ts`.", projectorRows),
    table("The `ferry` command", "Options win over them; they are handed on to what it starts.", cliRows),
  ]),
  "docs/reference/metrics.md": metricsPage(metricFamilies()),
  "docs/reference/mesh-config.md": meshConfigPage(ferrySettings, topicTitles),
  "SECURITY.md": withLimits(readFileSync(`${root}SECURITY.md`, "utf8"), limitRows, [
    ...new Set([...Object.values(ForcedClose), ...Object.values(StreamRefusal)]),
  ]),
};

if (import.meta.main) {
  const isCheck = process.argv.includes("--check");
  let stale = 0;
  for (const [path, content] of Object.entries(pages)) {
    if (existsSync(root + path) && readFileSync(root + path, "utf8") === content) continue;
    stale++;
    if (isCheck) console.log(`stale: ${path}`);
    else {
      mkdirSync(`${root}docs/reference`, { recursive: true });
      writeFileSync(root + path, content);
      console.log(`wrote ${path}`);
    }
  }
  const count = Object.keys(pages).length;
  if (isCheck && stale > 0) {
    console.log("run `npm run docs` and commit what it wrote");
    process.exitCode = 1;
  }
  console.log(`generate-docs: ${count} pages, ${stale} ${isCheck ? "stale" : "written"}`);
}
