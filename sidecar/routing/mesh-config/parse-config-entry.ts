// One file of mesh-config/ from text to a ConfigEntry, or all its problems. What the fields may hold is in
// config-entry-shapes.ts; here is what must hold between the fields of one entry.

import { nearestName } from "../../../common/nearest-name.ts";
import { compileFilter } from "../bexpr.ts";
import { compilePattern } from "../pattern.ts";
import {
  type ConfigEntry,
  type Kind,
  kinds,
  type ServiceResolver,
  type ServiceRouter,
  type ServiceSplitter,
} from "./config-entry.ts";
import { entryShapes } from "./config-entry-shapes.ts";
import { checkFerrySettings } from "./ferry-settings.ts";
import type { Problem } from "./problem.ts";
import { isObject, noteProblem, type Place, within } from "./shape.ts";

export type ParsedEntry =
  | { readonly ok: true; readonly entry: ConfigEntry }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** `file` as `<kind>/<name>.json`: the entry must be what its place says. */
export function parseConfigEntry(content: string, file: string): ParsedEntry {
  const problems: Problem[] = [];
  const top: Place = { file, path: "", problems };
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    noteProblem(top, `JSON (${(error as Error).message})`, content.trim() === "" ? undefined : content.slice(0, 40));
    return { ok: false, problems };
  }
  const [folder, name] = file.replace(/\.json$/, "").split("/");
  const kind = isObject(value) ? value.Kind : undefined;
  if (!kinds.includes(kind as Kind)) {
    const known = typeof kind === "string" ? (nearestName(kind, kinds) ?? "") : "";
    noteProblem(within(top, "Kind"), `one of ${kinds.join(", ")}`, kind, known);
    return { ok: false, problems };
  }
  if (kind !== folder) noteProblem(within(top, "Kind"), `"${folder}", as the folder`, kind);
  const entry = entryShapes[kind as Kind](value, top);
  if (entry === undefined) return { ok: false, problems };
  if (typeof entry.Name === "string" && entry.Name !== name) {
    noteProblem(within(top, "Name"), `"${name}", as the file`, entry.Name);
  }
  checkFields(entry, top);
  return problems.length === 0 ? { ok: true, entry } : { ok: false, problems };
}

function checkFields(entry: ConfigEntry, top: Place): void {
  checkMeta(entry.Meta ?? {}, within(top, "Meta"));
  if (entry.Kind === "service-router") checkRouter(entry, within(top, "Routes"));
  else if (entry.Kind === "service-splitter") checkSplitter(entry, within(top, "Splits"));
  else if (entry.Kind === "service-resolver") checkResolver(entry, top);
  else if (entry.Kind === "service-defaults") checkSettings(entry.Meta ?? {}, within(top, "Meta"));
  else if (entry.Kind === "service-intentions") checkIntentions(entry.Sources ?? [], within(top, "Sources"));
  else {
    checkSettings(entry.Config ?? {}, within(top, "Config"));
    const protocol = entry.Config?.protocol;
    if (protocol !== undefined && !["grpc", "http2", "http", "tcp"].includes(String(protocol))) {
      noteProblem(within(within(top, "Config"), "protocol"), "one of grpc, http2, http, tcp", protocol);
    }
  }
}

function checkSettings(values: Readonly<Record<string, unknown>>, at: Place): void {
  for (const { key, expected, found, suggestion } of checkFerrySettings(values)) {
    at.problems.push({ file: at.file, path: within(at, key).path, expected, found, suggestion });
  }
}

/** What Consul takes (agent/structs: metaMaxKeyPairs and its neighbours); lengths are in bytes. */
const maxMetaKeys = 64;
const maxMetaKeyBytes = 128;
const maxMetaValueBytes = 512;

function checkMeta(meta: Readonly<Record<string, string>>, at: Place): void {
  const keys = Object.keys(meta);
  if (keys.length > maxMetaKeys) {
    noteProblem(at, `at most ${maxMetaKeys} keys, which is all that Consul takes`, keys.length);
  }
  for (const [key, value] of Object.entries(meta)) {
    const keyBytes = Buffer.byteLength(key);
    const valueBytes = Buffer.byteLength(value);
    if (keyBytes > maxMetaKeyBytes) {
      noteProblem(within(at, key), `a key of at most ${maxMetaKeyBytes} bytes, as Consul`, keyBytes);
    }
    if (valueBytes > maxMetaValueBytes) {
      noteProblem(within(at, key), `text of at most ${maxMetaValueBytes} bytes, as Consul`, valueBytes);
    }
  }
}

function checkRouter({ Routes = [] }: ServiceRouter, at: Place): void {
  Routes.forEach((route, index) => {
    const http = within(within(within(at, index), "Match"), "HTTP");
    const match = route.Match?.HTTP;
    if (match === undefined) return;
    const { PathExact = "", PathPrefix = "", PathRegex = "" } = match;
    const paths = Object.entries({ PathExact, PathPrefix, PathRegex }).filter(([, path]) => path !== "");
    if (paths.length > 1)
      noteProblem(
        http,
        "at most one of PathExact, PathPrefix, PathRegex",
        paths.map(([key]) => key),
      );
    for (const [field, path] of Object.entries({ PathExact, PathPrefix })) {
      if (path !== "" && !path.startsWith("/")) {
        noteProblem(within(http, field), 'a path that begins with "/"', path, `"/${path}"`);
      }
    }
    if (PathRegex !== "") checkRegex(PathRegex, within(http, "PathRegex"));
    match.Header?.forEach((header, headerIndex) => {
      const place = within(within(http, "Header"), headerIndex);
      const { Present = false, Exact = "", Prefix = "", Suffix = "", Regex = "" } = header;
      const stated = Object.entries({ Present, Exact, Prefix, Suffix, Regex }).filter(([, test]) => test);
      if (stated.length !== 1) {
        noteProblem(
          place,
          "exactly one of Present, Exact, Prefix, Suffix, Regex",
          stated.map(([key]) => key),
        );
      }
      if (header.Name === "") noteProblem(within(place, "Name"), "the name of a header", header.Name);
      if (Regex !== "") checkRegex(Regex, within(place, "Regex"));
    });
  });
}

function checkRegex(source: string, at: Place): void {
  const pattern = compilePattern(source, "whole");
  if (!pattern.ok) noteProblem(at, `a regular expression in RE2 syntax (${pattern.error})`, source);
}

function checkSplitter({ Name, Splits = [] }: ServiceSplitter, at: Place): void {
  // What was not read cannot be summed.
  if (at.problems.some((problem) => problem.file === at.file && problem.path.startsWith("Splits"))) return;
  const cents = Splits.reduce((sum, { Weight = 0 }) => sum + Math.round(Weight * 100), 0);
  if (cents !== 10_000) noteProblem(at, "weights that sum to 100", cents / 100);
  const seen = new Map<string, number>();
  Splits.forEach((split, index) => {
    const service = split.Service === undefined || split.Service === "" ? Name : split.Service;
    const key = `${service} ${split.ServiceSubset ?? ""}`.trim();
    const first = seen.get(key);
    if (first !== undefined) noteProblem(within(at, index), `another destination than Splits[${first}]`, key);
    else seen.set(key, index);
  });
}

function checkResolver(resolver: ServiceResolver, top: Place): void {
  const { DefaultSubset = "", Subsets = {}, Redirect, Failover } = resolver;
  const names = Object.keys(Subsets);
  for (const [name, { Filter = "" }] of Object.entries(Subsets)) {
    const filter = compileFilter(Filter);
    if (filter.ok) continue;
    noteProblem(within(within(within(top, "Subsets"), name), "Filter"), `a filter (${filter.error})`, Filter);
  }
  if (DefaultSubset !== "" && !names.includes(DefaultSubset)) {
    const expected = names.length === 0 ? "no subset, because there are none" : `one of ${names.join(", ")}`;
    noteProblem(within(top, "DefaultSubset"), expected, DefaultSubset, nearestName(DefaultSubset, names) ?? "");
  }
  if (Redirect !== undefined && Failover !== undefined && Object.keys(Failover).length > 0) {
    noteProblem(within(top, "Failover"), "no failover beside a Redirect", Object.keys(Failover));
  }
  if (Redirect !== undefined && (Redirect.Service ?? "") === "" && (Redirect.ServiceSubset ?? "") === "") {
    noteProblem(within(top, "Redirect"), "a Service or a ServiceSubset", Redirect);
  }
  for (const [subset, failover] of Object.entries(Failover ?? {})) {
    const at = within(within(top, "Failover"), subset);
    if (subset !== "*" && !names.includes(subset)) {
      noteProblem(at, `one of ${["*", ...names].join(", ")}`, subset, nearestName(subset, names) ?? "");
    }
    const hasOwn = (failover.Service ?? "") !== "" || (failover.ServiceSubset ?? "") !== "";
    const hasTargets = (failover.Targets ?? []).length > 0;
    if (hasOwn === hasTargets) noteProblem(at, "either Targets, or Service and ServiceSubset", failover);
  }
}

function checkIntentions(sources: readonly unknown[], at: Place): void {
  sources.forEach((source, index) => {
    if (!isObject(source)) return;
    const hasPermissions = Array.isArray(source.Permissions) && source.Permissions.length > 0;
    if ((source.Action !== undefined) === hasPermissions) {
      noteProblem(within(at, index), "either Action or Permissions", Object.keys(source));
    }
  });
}
