// The retry budgets of all services that this worker process calls, one for each, found by route without a string.
// Outlives snapshots: a change of configuration changes the policy and forgives nothing. Made once per data plane.
//
// A budget that nobody used for a minute is worth as much as a new one; such are dropped when a further service comes,
// so that callers who invent upstreams cannot make the list grow for ever.

import type { Route } from "../routing/route-table.ts";
import { RetryBudget } from "./retry-budget.ts";

const idleMs = 60_000;

export class RetryBudgets {
  readonly #byService = new Map<string, RetryBudget>();
  #byRoute = new WeakMap<Route, RetryBudget>();

  /** The budget of the service that `route` leads to. */
  of(route: Route, nowMs: number): RetryBudget {
    return this.#byRoute.get(route) ?? this.#link(route, nowMs);
  }

  /** How many services have one. */
  get size(): number {
    return this.#byService.size;
  }

  #link(route: Route, nowMs: number): RetryBudget {
    const policy = route.policy.budget;
    let budget = this.#byService.get(route.service);
    if (budget === undefined) {
      this.#forgetIdle(nowMs);
      budget = new RetryBudget(policy, nowMs);
      this.#byService.set(route.service, budget);
    } else budget.policy = policy;
    this.#byRoute.set(route, budget);
    return budget;
  }

  #forgetIdle(nowMs: number): void {
    const before = this.#byService.size;
    for (const [service, budget] of this.#byService) {
      if (nowMs - budget.lastUsedMs > idleMs) this.#byService.delete(service);
    }
    // Routes that are still in force find the new budget, not one that was dropped.
    if (this.#byService.size !== before) this.#byRoute = new WeakMap();
  }
}
