// Config entries to Consul: what differs, and the writes, each by compare-and-set. Called by `apply` and `diff`.
//
// Consul checks the whole graph at every write, so the order counts: what others refer to first. An entry that takes
// something away (a subset that a splitter still names) is accepted only after the one that refers to it: what was
// refused is tried again as long as others still succeed.

import type { ConsulClient } from "../../sidecar/discovery/consul/consul-client.ts";
import { ConsulRefused } from "../../sidecar/discovery/consul/consul-client.ts";
import { type ConfigEntry, fileOf, type Kind } from "../../sidecar/routing/mesh-config/config-entry.ts";
import type { Problem } from "../../sidecar/routing/mesh-config/problem.ts";
import { CommandError, reasonOf } from "../exit.ts";
import { type FieldChange, fieldChanges } from "./entry-fields.ts";
import { problemOfRefusal } from "./refusals.ts";

export interface EntryChange {
  readonly entry: ConfigEntry;
  /** As `service-router/quoter.json`. */
  readonly file: string;
  readonly action: "create" | "update" | "none";
  readonly fields: readonly FieldChange[];
  /** ModifyIndex when it was read; 0: it is not there. */
  readonly readAt: number;
}

/** The order in which Consul accepts them. */
const order: readonly Kind[] = [
  "proxy-defaults",
  "service-defaults",
  "service-resolver",
  "service-splitter",
  "service-router",
  "service-intentions",
];

export interface EntryChanges {
  /** In the order of the writes. */
  readonly changes: readonly EntryChange[];
  /** Files of entries of our kinds that Consul has and the directory has not. */
  readonly onlyThere: readonly string[];
  /** Entries that Consul does not let us see: whether they are there is unknown, so they are in no change. */
  readonly problems: readonly Problem[];
}

/** Rejects with a CommandError when Consul cannot be reached. */
export async function entryChanges(client: ConsulClient, entries: readonly ConfigEntry[]): Promise<EntryChanges> {
  const changes: EntryChange[] = [];
  const onlyThere: string[] = [];
  const problems: Problem[] = [];
  for (const kind of order) {
    const { there, isFiltered } = await readKind(client, kind);
    for (const entry of entries.filter(({ Kind }) => Kind === kind)) {
      const found = there.get(entry.Name);
      there.delete(entry.Name);
      const hidden = found === undefined && isFiltered ? await whyHidden(client, entry) : undefined;
      if (hidden !== undefined) {
        problems.push(hidden);
        continue;
      }
      const fields = found === undefined ? [] : fieldChanges(found, entry);
      const action = found === undefined ? "create" : fields.length > 0 ? "update" : "none";
      const readAt = typeof found?.ModifyIndex === "number" ? found.ModifyIndex : 0;
      changes.push({ entry, file: fileOf(kind, entry.Name), action, fields, readAt });
    }
    for (const name of there.keys()) onlyThere.push(fileOf(kind, name));
  }
  return { changes, onlyThere, problems };
}

type StoredEntry = Readonly<Record<string, unknown>>;

async function readKind(client: ConsulClient, kind: Kind) {
  const { text, isFiltered } = await client.expectOk({ path: `config/${kind}` }).catch((error: unknown) => {
    throw new CommandError(reasonOf(error));
  });
  const entries = (JSON.parse(text) ?? []) as StoredEntry[];
  return { there: new Map(entries.map((entry) => [String(entry.Name), entry])), isFiltered };
}

/** Undefined: it is not there. A list leaves out what the token may not see; a single read says so. */
async function whyHidden(client: ConsulClient, entry: ConfigEntry): Promise<Problem | undefined> {
  const path = `config/${entry.Kind}/${encodeURIComponent(entry.Name)}`;
  const reply = await client.ask({ path }).catch((error: unknown) => {
    throw new CommandError(reasonOf(error));
  });
  return reply.status === 404 ? undefined : problemOfRefusal(entry, reply);
}

export interface WriteResult {
  readonly written: readonly { readonly file: string; readonly action: "create" | "update" }[];
  readonly problems: readonly Problem[];
}

export async function writeEntries(client: ConsulClient, changes: readonly EntryChange[]): Promise<WriteResult> {
  const written: { file: string; action: "create" | "update" }[] = [];
  let left = changes.filter(({ action }) => action !== "none");
  let problems: Problem[] = [];
  for (let hasProgress = true; hasProgress && left.length > 0; ) {
    const refused: EntryChange[] = [];
    problems = [];
    for (const change of left) {
      const problem = await writeEntry(client, change);
      if (problem === undefined) written.push({ file: change.file, action: change.readAt === 0 ? "create" : "update" });
      else {
        refused.push(change);
        problems.push(problem);
      }
    }
    hasProgress = refused.length < left.length;
    left = refused;
  }
  return { written, problems };
}

/** Undefined: it is written. Throws a CommandError when Consul cannot be reached. */
async function writeEntry(client: ConsulClient, change: EntryChange): Promise<Problem | undefined> {
  const { entry, file, readAt } = change;
  try {
    const reply = await client.expectOk({
      method: "PUT",
      path: "config",
      query: { cas: String(readAt) },
      body: entry,
    });
    if (reply.text.trim() === "true") return undefined;
    const found = readAt === 0 ? "an entry that somebody else created" : "an entry that somebody else changed";
    return { file, path: "", expected: "the entry as it was read", found, suggestion: "run `ferry diff` again" };
  } catch (error) {
    if (error instanceof ConsulRefused) return problemOfRefusal(entry, error);
    throw new CommandError(reasonOf(error));
  }
}
