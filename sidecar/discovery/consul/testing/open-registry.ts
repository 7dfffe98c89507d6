// Clients of a real agent for tests, with what they said to operators.

import { systemClock } from "../../../../common/clock.ts";
import { systemRandom } from "../../../../common/random.ts";
import { ConsulRegistry } from "../consul-registry.ts";
import { ConsulWatches } from "../consul-watches.ts";
import type { ConsulAgent } from "./consul-agent.ts";

export interface OpenRegistry {
  readonly registry: ConsulRegistry;
  readonly watches: ConsulWatches;
  readonly problems: readonly string[];
}

export function openRegistry(agent: ConsulAgent, token?: string, maxBlocked = 40): OpenRegistry {
  const problems: string[] = [];
  const client = agent.connect(token);
  const onProblem = (sentence: string) => problems.push(sentence);
  const watches = new ConsulWatches({ client, clock: systemClock, random: systemRandom, onProblem, maxBlocked });
  return { registry: new ConsulRegistry({ client, watches, clock: systemClock, onProblem }), watches, problems };
}
