// How much further tries may add to the load of a service: what the retry budget reads, and the keys that set it. One
// budget for all methods of a service, shared by retries and hedges.

import { setting, type TopicSetting } from "./setting.ts";
import { integer, percent } from "./value-forms.ts";

export interface BudgetPolicy {
  /** Further tries, in percent of the calls of the last ten seconds. */
  readonly percent: number;
  /** So many a second are allowed all the same where calls are few. */
  readonly floorPerSecond: number;
  /** So many of the floor's may be saved up and made at once. */
  readonly burst: number;
}

export const defaultBudgetPolicy: BudgetPolicy = { percent: 20, floorPerSecond: 1, burst: 3 };

export const budgetSettings: readonly TopicSetting<BudgetPolicy>[] = [
  setting({
    key: "ferry_retry_budget_percent",
    form: percent,
    default: "20",
    doc: "Retries and hedges together are at most so many percent of the service's calls in the last ten seconds, in each worker process. What was never sent does not count.",
    scope: "service",
    apply: (policy, value) => ({ ...policy, percent: value }),
  }),
  setting({
    key: "ferry_retry_budget_floor",
    form: integer(0, 10_000),
    default: "1",
    doc: "So many retries and hedges a second are allowed where the percentage gives fewer.",
    scope: "service",
    apply: (policy, floorPerSecond) => ({ ...policy, floorPerSecond }),
  }),
  setting({
    key: "ferry_retry_budget_burst",
    form: integer(0, 10_000),
    default: "3",
    doc: "So many of the floor's retries may be saved up and made at once.",
    scope: "service",
    apply: (policy, burst) => ({ ...policy, burst }),
  }),
];
