// What must hold across entries: subsets exist, splits and redirects end, protocols agree. Done for a whole set at
// once, before any of it takes effect, as Consul verifies the graph before it accepts a write.

import { compileChain } from "../local-compiler.ts";
import { type EntrySet, fileOf } from "./config-entry.ts";
import type { Problem } from "./problem.ts";

/** Empty: the set can be put in force. */
export function checkEntries(entries: EntrySet): readonly Problem[] {
  const problems = new Map<string, Problem>();
  const note = (problem: Problem) => problems.set(`${problem.file} ${problem.path}`, problem);
  for (const problem of splitterCircles(entries)) note(problem);
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
