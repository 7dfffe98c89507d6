// Chains whose parts were not checked before they came: with Consul anybody may write an entry without `ferry check`,
// and Consul itself takes every `ferry_*` key, every regular expression and every filter of a subset. What is wrong
// has no effect beyond its own place (a route that matches nothing, a subset without instances), so it must not stay
// unseen: it is logged once and stands among what was refused (`ferry status`, admin). Used by consul-backend.ts.

import { compileFilter } from "./bexpr.ts";
import type { ChainView, ManagedChains } from "./chain-source.ts";
import type { DiscoveryChain } from "./discovery-chain.ts";
import { fileOf } from "./mesh-config/config-entry.ts";
import { checkFerrySettings } from "./mesh-config/ferry-settings.ts";
import { type Problem, problemText } from "./mesh-config/problem.ts";
import { noteProblem, type Place, within } from "./mesh-config/shape.ts";
import { compileMatch } from "./path-and-header-match.ts";
import { servicesOf } from "./route-leg.ts";

/** `onProblem` is told a sentence for each mistake that was not there before. */
export function checkedChains(chains: ManagedChains, onProblem: (sentence: string) => void): ManagedChains {
  const byUpstream = new Map<string, readonly Problem[]>();
  const all = () => {
    const problems = [...byUpstream.values()].flat();
    return [...new Map(problems.map((problem) => [problemText(problem), problem])).values()];
  };
  return {
    watchChain(upstream, onChange, signal) {
      const onView = (view: ChainView) => {
        const known = new Set(all().map(problemText));
        byUpstream.set(upstream, chainProblems(view));
        for (const sentence of all().map(problemText)) {
          if (!known.has(sentence)) onProblem(`without effect: ${sentence}`);
        }
        onChange(view);
      };
      signal.addEventListener("abort", () => byUpstream.delete(upstream), { once: true });
      chains.watchChain(upstream, onView, signal);
    },
    refresh: () => chains.refresh(),
    get inForce() {
      const { hash, rejected } = chains.inForce;
      return { hash, rejected: [...rejected, ...all()] };
    },
  };
}

/** What is wrong in a chain and among the keys that its calls are treated by. */
export function chainProblems(view: ChainView): readonly Problem[] {
  return [...settingProblems(view), ...matchProblems(view.chain), ...filterProblems(view.chain)];
}

function settingProblems({ chain, globalConfig, serviceMeta }: ChainView): readonly Problem[] {
  const problems = problemsIn(fileOf("proxy-defaults", "global"), "Config", globalConfig);
  for (const service of new Set([chain.ServiceName, ...servicesOf(chain)])) {
    const meta = serviceMeta.get(service) ?? (service === chain.ServiceName ? chain.ServiceMeta : undefined);
    problems.push(...problemsIn(fileOf("service-defaults", service), "Meta", meta ?? {}));
  }
  return problems;
}

function problemsIn(file: string, field: string, values: Readonly<Record<string, unknown>>): Problem[] {
  const at = within(top(file), field);
  return checkFerrySettings(values).map(({ key, ...problem }) => ({ file, path: within(at, key).path, ...problem }));
}

/** Routes whose conditions cannot be tested. Without an index: routes may have been taken out before they came here. */
function matchProblems({ ServiceName, Nodes }: DiscoveryChain): readonly Problem[] {
  const at = top(fileOf("service-router", ServiceName));
  for (const node of Object.values(Nodes)) {
    if (node.Type !== "router") continue;
    for (const { Definition } of node.Routes) {
      const { problem } = compileMatch(Definition?.Match);
      const expected = `conditions that can be tested (${problem}); the route matches nothing`;
      if (problem !== undefined) noteProblem(within(at, "Routes"), expected, Definition?.Match?.HTTP);
    }
  }
  return at.problems;
}

function filterProblems({ Targets }: DiscoveryChain): readonly Problem[] {
  return Object.values(Targets).flatMap(({ Service, ServiceSubset = "", Subset }) => {
    const at = top(fileOf("service-resolver", Service));
    const filter = compileFilter(Subset?.Filter ?? "");
    const place = within(within(within(at, "Subsets"), ServiceSubset), "Filter");
    if (!filter.ok) noteProblem(place, `a filter (${filter.error}); the subset has no instances`, Subset?.Filter);
    return at.problems;
  });
}

function top(file: string): Place {
  return { file, path: "", problems: [] };
}
