// The tables of SECURITY.md that come from sidecar/http2/limits.ts: every limit with its default and what it stops, and
// the reasons under which connections are closed. They stand between two comments, so that the page around them is
// written by hand. Called by generate-docs.ts. Pure.

import type { Limit } from "../sidecar/http2/limits.ts";

const begin = "<!-- Generated from sidecar/http2/limits.ts by `npm run docs`; do not edit. -->";
const end = "<!-- End of what is generated. -->";

/** `page` with its generated part made anew. Throws when the page has no such part. */
export function withLimits(page: string, rows: Readonly<Record<string, Limit>>, reasons: readonly string[]): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page has no part between ${begin} and ${end}`);
  const lines = [
    ...[begin, "", "| limit | default | what it stops |", "|---|---|---|"],
    ...Object.entries(rows).map(([name, row]) => `| \`${name}\` | ${amount(name, row.default)} | ${row.reason} |`),
    ...["", `Reasons: ${reasons.map((reason) => `\`${reason}\``).join(", ")}.`, ""],
  ];
  return `${page.slice(0, from)}${lines.join("\n")}\n${page.slice(to)}`;
}

/** The default with the unit that the name says, as `64 KiB`, `10 s`, `50 %`. */
export function amount(name: string, value: number): string {
  if (name.endsWith("Ms")) return value === 0 ? "none" : duration(value);
  if (name.endsWith("Percent")) return `${value} %`;
  if (name.endsWith("Bytes") && value % 1024 === 0) {
    return value % (1 << 20) === 0 ? `${value >> 20} MiB` : `${value >> 10} KiB`;
  }
  return value.toLocaleString("en-GB");
}

function duration(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1000} s`;
}
