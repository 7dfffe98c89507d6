// How long to wait before a retry: pure. `jitter` spreads the retries of many callers over a time that doubles, so that
// they do not come back as one wave (full jitter; reference: AWS, Envoy's 25 and 250 ms). `talk` is the plain
// n^x of textbooks, without chance: 0, 2, 4, 8 seconds, so that tries are made at 0, 0, 2, 6, 14 seconds.

import type { RetryPolicy } from "../routing/policy/retry-policy.ts";

/**
 * Milliseconds before the `n`-th retry, from 1, counted anew after the upstream has named a time itself. `random` in
 * [0, 1).
 */
export function waitBeforeRetry(policy: RetryPolicy, n: number, random: number): number {
  // Beyond 2^30 nothing grows that anybody waits for.
  const doubled = 2 ** Math.min(n - 1, 30);
  if (policy.schedule === "talk") return n <= 1 ? 0 : 1_000 * doubled;
  return random * Math.min(policy.maxMs, policy.baseMs * doubled);
}
