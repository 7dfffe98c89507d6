// Chooses an endpoint for each try. Sits inside retry, so that every try picks afresh, and outside gate, which counts
// what becomes of it. The next failover target is used only when no target before it has a healthy endpoint.

import type { Clock } from "../../common/clock.ts";
import type { EndpointCall, RoutedCall } from "../call.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { ProxyFailure } from "../failure.ts";
import type { Candidates } from "../routing/route-table.ts";
import type { Layer } from "../stack.ts";
import type { EndpointStates } from "./endpoint-states.ts";
import { mayTry } from "./failure-accrual.ts";
import { pickRoundRobin } from "./pick-round-robin.ts";

/**
 * What is worked out once for the candidates of a snapshot and kept as long as they are: shared by all methods of a
 * route.
 */
interface Rotation {
  /** Healthy endpoints, an endpoint of weight n standing n times. */
  readonly endpoints: readonly Endpoint[];
  turn: number;
}

export function balance(states: EndpointStates, clock: Clock): Layer<RoutedCall, EndpointCall> {
  const rotations = new WeakMap<Candidates["targets"], Rotation>();

  function rotationOf(candidates: Candidates): Rotation {
    let rotation = rotations.get(candidates.targets);
    if (rotation === undefined) {
      rotation = { endpoints: healthyEndpoints(candidates), turn: 0 };
      rotations.set(candidates.targets, rotation);
    }
    return rotation;
  }

  return (next) =>
    function balance(routed) {
      const rotation = rotationOf(routed.candidates);
      if (rotation.endpoints.length === 0) return Promise.reject(noEndpoint(routed));
      const nowMs = clock.nowMs();
      const endpoint = pickRoundRobin({
        endpoints: rotation.endpoints,
        turn: rotation.turn++,
        tried: routed.tried,
        mayTry: (candidate) => mayTry(states.of(candidate).accrual, nowMs),
      });
      routed.call.notes.endpoint = endpoint;
      return next({ routed, endpoint });
    };
}

/** The endpoints of the first target that has a healthy one; pure. */
export function healthyEndpoints(candidates: Candidates): readonly Endpoint[] {
  for (const target of candidates.targets) {
    const healthy = target.endpoints.filter((endpoint) => endpoint.health !== "critical" && endpoint.weight > 0);
    if (healthy.length > 0) return inRotation(healthy);
  }
  return [];
}

/** Spreads each endpoint by its weight, so that a turn through the list serves each its share. */
function inRotation(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const most = Math.max(...endpoints.map((endpoint) => endpoint.weight));
  if (endpoints.every((endpoint) => endpoint.weight === most)) return endpoints;
  // Weights are scaled so that the list stays short; an endpoint that has any weight keeps one turn.
  const scale = Math.min(1, maxTurns / most);
  const rounds: Endpoint[] = [];
  for (let round = 0; round < Math.ceil(most * scale); round++) {
    for (const endpoint of endpoints) if (round < Math.max(1, endpoint.weight * scale)) rounds.push(endpoint);
  }
  return rounds;
}

const maxTurns = 100;

function noEndpoint(routed: RoutedCall): ProxyFailure {
  const { route, candidates } = routed;
  const known = candidates.targets.reduce((sum, target) => sum + target.endpoints.length, 0);
  const name = route.subset === "" ? route.service : `${route.service} subset ${route.subset}`;
  return new ProxyFailure("no_endpoint", name, `none of ${known} registered instances is healthy`);
}
