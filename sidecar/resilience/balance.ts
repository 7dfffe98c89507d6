// Chooses an endpoint for each try, by the policy of the route's resolver. Sits inside retry, so that every try picks
// afresh, and outside gate, which counts what becomes of it. Guarantees, for every policy:
//   - an endpoint that the registry calls critical, or of weight 0, gets nothing
//   - one that the call has tried only when nothing else is left; of those that the breaker ejected and of failover
//     targets, what usable-endpoints.ts says
// All that is known of endpoints here is this worker's own.
//
// Hot: runs once for every try; makes no object but the EndpointCall (bench/micro/balance.ts).

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { EndpointCall, RoutedCall } from "../call.ts";
import { noteDecision } from "../decision.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { ProxyFailure } from "../failure.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Balancer } from "../routing/policy/balance-policy.ts";
import type { Candidates } from "../routing/route-table.ts";
import type { Layer } from "../stack.ts";
import type { EndpointStates } from "./endpoint-states.ts";
import { pickByHash } from "./pick-by-hash.ts";
import { pickLeastRequest } from "./pick-least-request.ts";
import { pickPeakEwma } from "./pick-peak-ewma.ts";
import type { Ask, Picker, Pool } from "./pick-pool.ts";
import { pickRandom } from "./pick-random.ts";
import { pickRoundRobin } from "./pick-round-robin.ts";
import { Pools } from "./pools.ts";
import { requestHash } from "./request-hash.ts";
import { UsableEndpoints } from "./usable-endpoints.ts";

export interface BalanceDeps {
  readonly states: EndpointStates;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * What is worked out once for the candidates of a snapshot and kept as long as they are: shared by all methods of a
 * route.
 */
interface Rotation {
  /** By target, in order of preference; undefined for one without healthy endpoints. */
  readonly pools: readonly (Pool | undefined)[];
  readonly pick: Picker;
}

export function balance(deps: BalanceDeps): Layer<RoutedCall, EndpointCall> {
  const { states, clock, random } = deps;
  const rotations = new WeakMap<Candidates["targets"], Rotation>();
  const pools = new Pools(deps);
  const usableEndpoints = new UsableEndpoints(states);
  const ask: Ask = { nowMs: 0, method: "", tried: none, slowStartMs: 0, hash: undefined, out: undefined, random };

  function rotationOf({ candidates, route: { balancer } }: RoutedCall): Rotation {
    let rotation = rotations.get(candidates.targets);
    if (rotation === undefined) {
      rotation = {
        pools: candidates.targets.map(({ endpoints }) => pools.of(endpoints, balancer)),
        pick: pickerOf(balancer),
      };
      rotations.set(candidates.targets, rotation);
    }
    return rotation;
  }

  /** Fills in what the call asks. */
  function prepare({ route, call, candidates, tried }: RoutedCall): void {
    const { balancer, policy } = route;
    ask.nowMs = clock.nowMs();
    ask.method = candidates.traits === undefined ? "other" : call.path;
    ask.tried = tried;
    ask.slowStartMs = policy.balance.slowStartMs;
    const isHashed = balancer.kind === "ring_hash" || balancer.kind === "maglev";
    ask.hash = isHashed ? requestHash(call.fields, balancer.hash) : undefined;
  }

  return (next) =>
    function balance(routed) {
      const { pools, pick } = rotationOf(routed);
      prepare(routed);
      const usable = usableEndpoints.of(routed, ask.nowMs);
      const pool = pools[usable.target];
      if (pool === undefined) return PendingReply.withError(noEndpoint(routed));
      if (usable.panic !== undefined) noteDecision(routed.call, "panic", ask.nowMs, usable.panic);
      ask.out = usable.out;
      // A first try may be the probe of an endpoint whose time out is over: a further one has had its bad luck.
      const due = routed.attempt === 1 ? usable.due : undefined;
      const endpoint = due ?? pool.members[pickFrom(pool, pick, ask)]!.endpoint;
      routed.call.notes.endpoint = endpoint;
      return next({ routed, endpoint, chosenAtMs: ask.nowMs });
    };
}

/** By the policy; one that was tried when all others that are let through have been. */
function pickFrom(pool: Pool, pick: Picker, ask: Ask): number {
  const index = pick(pool, ask);
  if (index !== -1) return index;
  ask.tried = none;
  return pick(pool, ask);
}

const none: readonly Endpoint[] = [];

function pickerOf(balancer: Balancer): Picker {
  switch (balancer.kind) {
    case "peak_ewma":
      return pickPeakEwma;
    case "least_request":
      return pickLeastRequest(balancer.choices);
    case "round_robin":
      return pickRoundRobin;
    case "random":
      return pickRandom;
    case "ring_hash":
    case "maglev":
      return pickByHash;
  }
}

function noEndpoint(routed: RoutedCall): ProxyFailure {
  const { route, candidates } = routed;
  const known = candidates.targets.reduce((sum, target) => sum + target.endpoints.length, 0);
  const name = route.subset === "" ? route.service : `${route.service} subset ${route.subset}`;
  return new ProxyFailure("no_endpoint", name, `none of ${known} registered instances is healthy`);
}
