// Where an entry in Consul and one in a file differ in meaning. Consul gives entries back in its own words: defaults
// filled in, zero values as "" or {}, durations as Go prints them, methods in capitals. Pure.

import { formatDuration, parseDuration } from "../../sidecar/routing/duration.ts";

export interface FieldChange {
  /** As `Splits[0].Weight`. */
  readonly path: string;
  /** JSON, or `nothing`. */
  readonly before: string;
  readonly after: string;
}

/** What Consul adds to every entry, and to intentions. */
const added = new Set([
  ..."CreateIndex ModifyIndex Hash Precedence LegacyID LegacyMeta LegacyCreateTime LegacyUpdateTime".split(" "),
]);

export function fieldChanges(there: object, wanted: object): readonly FieldChange[] {
  const before = new Map<string, string>();
  const after = new Map<string, string>();
  flatten(there, "", before);
  flatten(wanted, "", after);
  const paths = [...new Set([...before.keys(), ...after.keys()])];
  return paths
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ path, before: before.get(path) ?? "nothing", after: after.get(path) ?? "nothing" }));
}

/** Every leaf that says something, by its path. */
function flatten(value: unknown, path: string, leaves: Map<string, string>): void {
  if (value === null || value === undefined || value === "" || value === false || value === 0) return;
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) {
      // An item counts even when it says nothing: a route without conditions matches everything.
      leaves.set(`${path}[${at}]`, "{}");
      flatten(item, `${path}[${at}]`, leaves);
    }
    return;
  }
  if (typeof value === "object") {
    for (const [key, held] of Object.entries(value)) {
      if (added.has(key)) continue;
      // The one namespace and partition, and the one kind of source, that open-source Consul has.
      if ((key === "Namespace" || key === "Partition") && held === "default") continue;
      if (key === "Type" && held === "consul") continue;
      flatten(held, path === "" ? key : `${path}.${key}`, leaves);
    }
    return;
  }
  leaves.set(path, JSON.stringify(spelled(path, value)));
}

function spelled(path: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (/(Timeout|TTL|Interval)$/.test(path)) {
    const ms = parseDuration(value);
    return ms === undefined ? value : formatDuration(ms);
  }
  if (/\.Methods\[\d+\]$/.test(path)) return value.toUpperCase();
  return path === "Protocol" ? value.toLowerCase() : value;
}
