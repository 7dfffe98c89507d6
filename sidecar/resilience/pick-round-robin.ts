// Round robin over the endpoints of one target: pure. Skips what is ejected and what the call has already tried, as
// long as something else is left: a caller is better served by a doubtful endpoint than by none.

import type { Endpoint } from "../discovery/registry.ts";

export interface RoundRobinView {
  /** The target's endpoints that the registry calls healthy; at least one. */
  readonly endpoints: readonly Endpoint[];
  /** Where the turn is: any non-negative integer, counted up by the caller. */
  readonly turn: number;
  readonly tried: readonly Endpoint[];
  /** Whether the breaker lets a call through now. */
  mayTry(endpoint: Endpoint): boolean;
}

export function pickRoundRobin(view: RoundRobinView): Endpoint {
  const { endpoints, turn, tried } = view;
  const count = endpoints.length;
  let triedBefore: Endpoint | undefined;
  let ejected: Endpoint | undefined;
  for (let i = 0; i < count; i++) {
    const endpoint = endpoints[(turn + i) % count]!;
    const isTried = tried.length > 0 && tried.some((other) => other.id === endpoint.id);
    if (view.mayTry(endpoint)) {
      if (!isTried) return endpoint;
      triedBefore ??= endpoint;
    } else if (!isTried) {
      ejected ??= endpoint;
    }
  }
  return triedBefore ?? ejected ?? endpoints[turn % count]!;
}
