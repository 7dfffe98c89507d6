// The pages of docs/reference/, made from the tables that the code itself runs by. Called by generate-docs.ts. Pure.

import type { SettingRow } from "../common/settings.ts";
import type { FailureRow } from "../sidecar/failure.ts";
import { statusName } from "../sidecar/grpc/status.ts";
import type { FamilySnapshot } from "../sidecar/telemetry/metric-snapshot.ts";

export interface SettingTable {
  readonly title: string;
  readonly intro: string;
  readonly rows: readonly SettingRow<unknown>[];
}

/** A row of ferrySettings. */
export interface FerryKey {
  readonly key: string;
  readonly topic: string;
  readonly expected: string;
  readonly default: string;
  readonly doc: string;
  readonly scope: "method" | "service";
}

const note = (source: string) => `Generated from \`${source}\` by \`npm run docs\`; do not edit.`;

const retryWords = {
  always: "always: it was never sent",
  once: "once: it was sent and provably never ran",
  idempotent: "only methods marked idempotent: it may have run",
  never: "never",
} as const;

export function failuresPage(failures: Readonly<Record<string, FailureRow>>): string {
  const lines = [
    "# Failures",
    "",
    note("sidecar/failure.ts"),
    "",
    "A reply that Ferry itself made carries one of these words in `x-ferry-failure`, and again in upper case as the",
    "`reason` of a `google.rpc.ErrorInfo` (domain `ferry`, metadata `where` and `attempts`) in `grpc-status-details-bin`.",
    "A reply without it is the application's own. The same word is the metric's label.",
    "",
    "| kind | gRPC status | HTTP status | tried again | at fault |",
    "|---|---|---|---|---|",
  ];
  const rows = Object.entries(failures);
  for (const [kind, { status, httpStatus, retry, fault }] of rows) {
    lines.push(`| [${kind}](#${kind}) | ${statusName(status)} | ${httpStatus} | ${retryWords[retry]} | ${fault} |`);
  }
  for (const [kind, { sentence }] of rows) lines.push("", `## ${kind}`, "", sentence);
  return `${lines.join("\n")}\n`;
}

export function settingsPage(tables: readonly SettingTable[]): string {
  const lines = [
    "# Settings",
    "",
    note("*/settings.ts"),
    "",
    "Environment variables, read once at the start. All mistakes are reported together; a `FERRY_*` variable that no",
    "process knows is a mistake too. What can change while processes run is [mesh configuration](mesh-config.md).",
  ];
  for (const { title, intro, rows } of tables) {
    lines.push("", `## ${title}`, "", intro, "", "| variable | value | default | meaning |", "|---|---|---|---|");
    for (const row of rows) {
      lines.push(`| \`${row.env}\` | ${formOf(row)} | ${defaultOf(row)} | ${sentence(row.doc)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

export function decisionsPage(decisions: Readonly<Record<string, string>>, maxKept: number): string {
  const lines = [
    "# Decisions",
    "",
    note("sidecar/decision.ts"),
    "",
    "What Ferry decides about a call on its way, beyond where it goes. Each is counted in `ferry_decisions_total`",
    "(labels `upstream`, `service`, `subset`, `decision`; inbound decisions have no upstream), is an event of the call's",
    "span, with what it was decided on in `ferry.detail`, and stands in `decisions` of its access log line. How a call",
    `that Ferry answered itself ended is its [failure](failures.md). Of one call the first ${maxKept} decisions are kept.`,
    "",
    "| decision | meaning |",
    "|---|---|",
    ...Object.entries(decisions).map(([kind, text]) => `| \`${kind}\` | ${sentence(text)} |`),
  ];
  return `${lines.join("\n")}\n`;
}

export function meshConfigPage(keys: readonly FerryKey[], titles: Readonly<Record<string, string>>): string {
  const lines = [
    "# Mesh configuration: keys of our own",
    "",
    note("sidecar/routing/mesh-config/ferry-settings.ts"),
    "",
    "`mesh-config/` holds Consul config entries in Consul's own form, one a file. What Consul has no word for stands",
    "under these keys. An edited file acts on the next call; `ferry check` says what is wrong before that, and",
    "`ferry route --explain` shows what is in force for one method and who said so",
    "([how to](../how-to/mesh-settings.md)).",
    ...grammar,
  ];
  for (const [topic, title] of Object.entries(titles)) {
    lines.push("", `## ${title}`, "", "| key | value | default | meaning |", "|---|---|---|---|");
    for (const row of keys.filter((key) => key.topic === topic)) {
      const name = row.scope === "service" ? `\`${row.key}\` (service)` : `\`${row.key}\``;
      lines.push(`| ${name} | ${cell(row.expected)} | ${defaultCell(row.default)} | ${cell(row.doc)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** How keys are written, once for all of them. */
const grammar: readonly string[] = [
  "",
  "## Keys",
  "",
  '    key     = name | name ":" method',
  '    name    = "ferry_" and the rest, as in the tables below',
  "    method  = package.Service/Method      one method",
  "            | package.Service/*           all methods of one gRPC service",
  "",
  "- A key without a method is for every method. One that the tables mark (service) is never written with a method.",
  "- The narrower wins, wherever it stands: one method, then one gRPC service, then all.",
  "- Among equally narrow ones the nearest to the owner wins: `Meta` of the `service-defaults` of the service that is",
  "  called, then `Meta` of those of the service by whose name it is called (the entry point), then `Config` of",
  "  `proxy-defaults`, then the default.",
  "- Keys that begin with `ferry_inbound_` are read by the sidecar of the service that is called, which takes nothing from",
  "  entry points; all others by the sidecar or gateway of the caller.",
  "- What Consul's own fields say (a route's `NumRetries`, a `RequestTimeout`) wins over any key.",
  "- Values are text in `Meta`, which holds nothing else; in `Config` they may be numbers and booleans too.",
  "- Consul takes 64 keys in a `Meta`, each of up to 128 bytes, with values of up to 512 bytes; `ferry check` tells.",
  "- An unknown key, a key with a wrong value and a method in another form are mistakes, and the file is refused. Whether a",
  "  method exists cannot be known without descriptors: a key for one that does not has no effect.",
];

export function metricsPage(families: readonly FamilySnapshot[]): string {
  const lines = [
    "# Metrics",
    "",
    note("sidecar/telemetry/"),
    "",
    "What every sidecar and gateway serves at `/metrics` of its admin server, in Prometheus' text form. `method` is a path",
    "only where descriptors know it, else `other`; `failure` is a kind of [failure](failures.md), or empty.",
    "",
    "| metric | type | labels | meaning |",
    "|---|---|---|---|",
  ];
  for (const { name, kind, labelNames, help } of families) {
    lines.push(`| \`${name}\` | ${kind} | ${labelNames.join(", ")} | ${sentence(help)} |`);
  }
  for (const { name, bounds } of families.filter((family) => family.kind === "histogram")) {
    lines.push("", `Buckets of \`${name}\`: ${bounds.join(", ")}.`);
  }
  return `${lines.join("\n")}\n`;
}

/** What may be written: the message of the row's own parser for something that nothing allows. */
function formOf(row: SettingRow<unknown>): string {
  try {
    row.parse("\u0000");
  } catch (error) {
    return cell(error instanceof Error ? error.message : String(error));
  }
  return "text";
}

function defaultOf({ fallback, unit }: SettingRow<unknown>): string {
  if (fallback === undefined) return "required";
  if (fallback === null || fallback === "") return "";
  if (typeof fallback === "boolean") return fallback ? "`1`" : "`0`";
  if (typeof fallback === "number" && unit === "ms") return `\`${durationText(fallback)}\``;
  if (typeof fallback !== "object") return `\`${fallback}${unit === undefined ? "" : ` ${unit}`}\``;
  if ("host" in fallback && "port" in fallback) return `\`${fallback.host}:${fallback.port}\``;
  return "";
}

function durationText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function sentence(text: string): string {
  const whole = cell(text[0]!.toUpperCase() + text.slice(1));
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function defaultCell(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** Text that does not break out of a table's cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
