// Chains whose `ferry_*` keys were not checked before they came: with Consul anybody may write an entry without
// `ferry check`, and Consul itself takes every key. A key that is wrong has no effect, so it must not stay unseen: it
// is logged once and stands among what was refused (`ferry status`, admin). Used by consul-backend.ts.

import type { ChainView, ManagedChains } from "./chain-source.ts";
import { fileOf } from "./mesh-config/config-entry.ts";
import { checkFerrySettings } from "./mesh-config/ferry-settings.ts";
import { type Problem, problemText } from "./mesh-config/problem.ts";
import { within } from "./mesh-config/shape.ts";
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
        byUpstream.set(upstream, settingProblems(view));
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

/** What is wrong among the keys that a chain's calls are treated by. */
export function settingProblems({ chain, globalConfig, serviceMeta }: ChainView): readonly Problem[] {
  const problems = problemsIn(fileOf("proxy-defaults", "global"), "Config", globalConfig);
  for (const service of new Set([chain.ServiceName, ...servicesOf(chain)])) {
    const meta = serviceMeta.get(service) ?? (service === chain.ServiceName ? chain.ServiceMeta : undefined);
    problems.push(...problemsIn(fileOf("service-defaults", service), "Meta", meta ?? {}));
  }
  return problems;
}

function problemsIn(file: string, field: string, values: Readonly<Record<string, unknown>>): Problem[] {
  const at = within({ file, path: "", problems: [] }, field);
  return checkFerrySettings(values).map(({ key, ...problem }) => ({ file, path: within(at, key).path, ...problem }));
}
