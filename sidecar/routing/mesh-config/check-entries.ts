// What must hold across entries: subsets exist, those of mirrors too, splits and redirects end, protocols agree. Done
// for a whole set at once, before any of it takes effect, as Consul verifies the graph before it accepts a write.

import { nearestName } from "../../../common/nearest-name.ts";
import { compileChain } from "../local-compiler.ts";
import { defaultMirrorPolicy, type MirrorTarget, mirrorSettings } from "../policy/mirror-policy.ts";
import { type EntrySet, fileOf } from "./config-entry.ts";
import type { Problem } from "./problem.ts";
import { noteProblem, type Place, within } from "./shape.ts";

/** Empty: the set can be put in force. */
export function checkEntries(entries: EntrySet): readonly Problem[] {
  const problems = new Map<string, Problem>();
  const note = (problem: Problem) => problems.set(`${problem.file} ${problem.path}`, problem);
  for (const problem of splitterCircles(entries)) note(problem);
  for (const problem of mirrorsToNobody(entries)) note(problem);
  for (const service of namedServices(entries)) {
    const compiled = compileChain(entries, service);
    if (!compiled.ok) note(compiled.problem);
  }
  return [...problems.values()].sort((a, b) => `${a.file} ${a.path}`.localeCompare(`${b.file} ${b.path}`));
}

/** Every service that has an entry which takes part in a chain. */
function namedServices({ serviceDefaults, routers, splitters, resolvers }: EntrySet): readonly string[] {
  return [...new Set([...resolvers.keys(), ...splitters.keys(), ...routers.keys(), ...serviceDefaults.keys()])];
}

/** Each circle is told once, at the leg that closes it. */
function splitterCircles({ splitters }: EntrySet): readonly Problem[] {
  const problems: Problem[] = [];
  const done = new Set<string>();
  const follow = (service: string, path: readonly string[]) => {
    for (const [index, split] of (splitters.get(service)?.Splits ?? []).entries()) {
      const { Service = "", ServiceSubset = "" } = split;
      if (Service === "" || Service === service || ServiceSubset !== "" || !splitters.has(Service)) continue;
      const here = [...path, service];
      if (here.includes(Service)) {
        const file = fileOf("service-splitter", service);
        const found = [...here.slice(here.indexOf(Service)), Service].join(" -> ");
        problems.push({ file, path: `Splits[${index}]`, expected: "splits that end", found, suggestion: "" });
      } else if (!done.has(Service)) {
        follow(Service, here);
      }
    }
    done.add(service);
  };
  for (const service of splitters.keys()) if (!done.has(service)) follow(service, []);
  return problems;
}

/** Whether a service exists is not known here, but which subsets it has, unless it stands for another one. */
function mirrorsToNobody({ proxyDefaults, serviceDefaults, resolvers }: EntrySet): readonly Problem[] {
  const top = (file: string, field: string): Place => within({ file, path: "", problems: [] }, field);
  const layers: [at: Place, values: Readonly<Record<string, unknown>>][] = [
    [top(fileOf("proxy-defaults", "global"), "Config"), proxyDefaults?.Config ?? {}],
    ...[...serviceDefaults].map(([service, { Meta = {} }]): [Place, Readonly<Record<string, unknown>>] => {
      return [top(fileOf("service-defaults", service), "Meta"), Meta];
    }),
  ];
  for (const [at, values] of layers) {
    for (const [key, value] of Object.entries(values)) {
      const { service = "", subset = "" } = mirrorTargetOf(key, value) ?? {};
      const { Subsets = {}, Redirect } = resolvers.get(service) ?? {};
      const names = Object.keys(Subsets);
      if (subset === "" || Redirect !== undefined || names.includes(subset)) continue;
      const near = nearestName(subset, names);
      const expected =
        names.length === 0 ? `no subset, because ${service} has none` : `a subset of ${names.join(", ")}`;
      noteProblem(within(at, key), expected, value, near === undefined ? "" : `${service}/${near}`);
    }
  }
  return layers.flatMap(([at]) => at.problems);
}

function mirrorTargetOf(key: string, value: unknown): MirrorTarget | undefined {
  const row = mirrorSettings.find((setting) => setting.key === key.split(":", 1)[0]);
  return row?.read(defaultMirrorPolicy, String(value))?.target;
}
