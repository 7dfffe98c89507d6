// What the rest of its pool says about an endpoint that would be ejected. Asked by gate in the rare moment that one
// would be; looks at the whole target then. Two questions, because a breaker that takes out too many, or the wrong
// ones, makes an outage of a hiccup:
//
// Is it worse than the others? When all fail alike they are overloaded, or something behind them is down: to take one
// out then only takes capacity away. (Envoy compares with the mean of five hosts or more; sidecars see fewer.)
//
// Are too many out? Of 2 to 9 endpoints one may always be, then the share counts, and the last one that is left stays
// in, unless a failover target has one that can take its calls. (Envoy's strict 10 % ejects nobody from a pool below
// ten: envoyproxy/envoy#34796)

import type { EndpointCall } from "../call.ts";
import type { EjectionPolicy } from "../routing/policy/ejection-policy.ts";
import type { Admission } from "./admission.ts";
import type { EndpointState, EndpointStates } from "./endpoint-states.ts";
import { allowedShare, isRateTooLow, type RateReading } from "./success-rate.ts";

const latelyPart = 0.2;
/**
 * A busy endpoint whose queue is full fails many in a row by chance: where a method is called often, the row must be as
 * long as so many milliseconds. A connection that is refused is no such chance.
 */
const burstMs = 500;

/** The target of an endpoint that would be ejected. */
export interface PoolReading {
  /** Endpoints that the registry lets be dialed. */
  readonly size: number;
  /** Those of them that are ejected or probing: as a whole, or for the method when it is about one. */
  readonly out: number;
  /** Another target has an endpoint that is let through. */
  readonly hasFailover: boolean;
  /** The endpoint's own calls of the method over the last fifth of the window; none when it is about connections. */
  readonly lately: RateReading;
  /** The calls of the others that are not out, over the window. */
  readonly others: RateReading;
  /** And over the last fifth of it: what has just begun for all shows there. */
  readonly othersLately: RateReading;
}

export function readPool(
  target: EndpointCall,
  states: EndpointStates,
  about: { readonly admission: Admission; readonly nowMs: number },
): PoolReading {
  const { endpoint, routed } = target;
  const { targets, traits } = routed.candidates;
  const { path } = routed.call;
  const isWhole = about.admission.method === "";
  const isOut = (state: EndpointState) =>
    isWhole ? state.whole.accrual.state !== "admitted" : state.isOut(path, traits !== undefined);
  const lately = { calls: 0, failures: 0 };
  if (!isWhole) about.admission.rate.addTo(lately, about.nowMs, latelyPart);
  const others = { calls: 0, failures: 0 };
  const othersLately = { calls: 0, failures: 0 };
  let size = 0;
  let out = 0;
  let hasFailover = false;
  for (const { endpoints } of targets) {
    if (!endpoints.includes(endpoint)) {
      hasFailover ||= endpoints.some((other) => !states.of(other).isOut(path, traits !== undefined));
      continue;
    }
    size = endpoints.length;
    for (const other of endpoints) {
      const state = states.of(other);
      if (isOut(state)) out++;
      else if (other.id !== endpoint.id) {
        const { rate } = isWhole ? state.whole : state.ofMethod(path, traits !== undefined);
        rate.addTo(others, about.nowMs, 1);
        rate.addTo(othersLately, about.nowMs, latelyPart);
      }
    }
  }
  return { size, out, hasFailover, lately, others, othersLately };
}

/** Whether one more would be too many; pure. */
export function isCapped({ size, out, hasFailover }: PoolReading, maxPercent: number): boolean {
  if (out + 1 > Math.max(1, Math.floor((size * maxPercent) / 100))) return true;
  return out + 1 >= size && !hasFailover;
}

/** How an endpoint fails that would be ejected. */
export interface Failing {
  /** Failures in a row, the last one included. */
  readonly inARow: number;
  /** Over the window. */
  readonly rate: RateReading;
}

/**
 * Whether it fails more than the others do. So many failures in a row must be as unlikely among the others as the
 * policy's number is for an endpoint that is just good enough: 5 when one in five of their calls fails, 12 when every
 * second does, and however many when all do. Its share of failures must be twice theirs.
 */
export function isWorse(failing: Failing, pool: PoolReading, policy: EjectionPolicy): boolean {
  const allowed = allowedShare(policy);
  if (policy.consecutiveFailures > 0) {
    // Where the share says nothing because it is 0 or all, the default's.
    const tolerated = allowed > 0 && allowed < 1 ? allowed : 0.2;
    const lately = Math.max(tolerated, shareOf(pool.othersLately, policy.minCalls));
    const unlikely = lately >= 1 ? Number.POSITIVE_INFINITY : Math.log(tolerated) / Math.log(lately);
    const burst = (pool.lately.calls * burstMs) / (latelyPart * policy.windowMs);
    if (failing.inARow >= Math.max(burst, policy.consecutiveFailures * unlikely)) return true;
  }
  const twice = Math.min(1, 2 * shareOf(pool.others, policy.minCalls));
  return isRateTooLow(failing.rate, Math.max(allowed, twice), policy);
}

/** As if nothing were known of the others. */
export function withoutOthers(pool: PoolReading): PoolReading {
  const none = { calls: 0, failures: 0 };
  return { ...pool, others: none, othersLately: none };
}

/** Too few calls say nothing. */
function shareOf({ calls, failures }: RateReading, minCalls: number): number {
  return calls < minCalls ? 0 : failures / calls;
}
