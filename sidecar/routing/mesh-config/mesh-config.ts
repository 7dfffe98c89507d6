// The mesh configuration that is in force: a set of entries that was checked as a whole, its hash, and what an operator
// should know about it. Made by read-mesh-config.ts; immutable, and replaced whole.

import { createHash } from "node:crypto";
import { checkEntries } from "./check-entries.ts";
import { type ConfigEntry, type EntrySet, entrySetOf, fileOf } from "./config-entry.ts";
import type { Problem } from "./problem.ts";

export interface MeshConfig {
  /** Sorted by kind and name. */
  readonly entries: readonly ConfigEntry[];
  readonly set: EntrySet;
  /** 16 hex digits; equal for equal entries, however their files are written. */
  readonly hash: string;
  /** What is accepted but without effect, a sentence each. */
  readonly notices: readonly string[];
}

export type CheckedConfig =
  | { readonly ok: true; readonly config: MeshConfig }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Checks entries that were parsed one by one against each other and makes them a configuration. */
export function checkMeshConfig(parsed: readonly ConfigEntry[]): CheckedConfig {
  const entries = [...parsed].sort((a, b) => (fileOf(a.Kind, a.Name) < fileOf(b.Kind, b.Name) ? -1 : 1));
  const set = entrySetOf(entries);
  const problems = checkEntries(set);
  if (problems.length > 0) return { ok: false, problems };
  const hash = createHash("sha256").update(canonical(entries)).digest("hex").slice(0, 16);
  return { ok: true, config: { entries, set, hash, notices: noticesOf(set) } };
}

export const emptyMeshConfig: MeshConfig = {
  entries: [],
  set: entrySetOf([]),
  hash: createHash("sha256").update("[]").digest("hex").slice(0, 16),
  notices: [],
};

/** service-defaults.Meta by service: what compileSnapshot takes as `serviceMeta`. */
export function serviceMetaOf({ set }: MeshConfig): ReadonlyMap<string, Readonly<Record<string, string>>> {
  return new Map([...set.serviceDefaults].map(([service, { Meta = {} }]) => [service, Meta]));
}

/** proxy-defaults.Config: what compileSnapshot takes as `globalConfig`. */
export function globalConfigOf({ set }: MeshConfig): Readonly<Record<string, unknown>> {
  return set.proxyDefaults?.Config ?? {};
}

function noticesOf({ intentions, proxyDefaults }: EntrySet): readonly string[] {
  const notices = [...intentions.keys()].map(
    (name) => `${fileOf("service-intentions", name)}: kept, but not enforced: callers have no proven identity yet`,
  );
  const unread = Object.keys(proxyDefaults?.Config ?? {}).filter((key) => key !== "protocol" && !/^ferry_/i.test(key));
  if (unread.length > 0) {
    notices.push(`${fileOf("proxy-defaults", "global")}: Config ${unread.sort().join(", ")}: passed over by Ferry`);
  }
  return notices;
}

/** JSON with the keys of every object sorted. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join()}}`;
}
