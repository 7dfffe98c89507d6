// How many endpoints of one target may be out at a time: a breaker that takes out too many makes an outage of a
// hiccup. Asked by gate in the rare moment that an endpoint would be ejected; looks at the whole target then.
//
// The cap must work for the pools that sidecars see: of 2 to 9 endpoints one may always be out, then the share counts,
// and the last one that is left stays in, unless a failover target has one that can take its calls. (Envoy's strict
// 10 % ejects nobody from a pool below ten: envoyproxy/envoy#34796)

import type { EndpointCall } from "../call.ts";
import type { Admission } from "./admission.ts";
import type { EndpointStates } from "./endpoint-states.ts";

/** The target of an endpoint that would be ejected. */
export interface CapReading {
  /** Endpoints that the registry lets be dialed. */
  readonly size: number;
  /** Those of them that are ejected or probing: as a whole, or for the method when it is about one. */
  readonly out: number;
  /** A later target, or one before, has an endpoint that is let through. */
  readonly hasFailover: boolean;
}

export function readCap(call: EndpointCall, states: EndpointStates, admission: Admission): CapReading {
  const { endpoint, routed } = call;
  const { targets, traits } = routed.candidates;
  const { path } = routed.call;
  let size = 0;
  let out = 0;
  let hasFailover = false;
  for (const { endpoints } of targets) {
    if (endpoints.includes(endpoint)) {
      size = endpoints.length;
      for (const other of endpoints) {
        const state = states.of(other);
        const isWholeOut = state.whole.accrual.state !== "admitted";
        if (admission.method === "" ? isWholeOut : state.isOut(path, traits !== undefined)) out++;
      }
    } else {
      hasFailover ||= endpoints.some((other) => !states.of(other).isOut(path, traits !== undefined));
    }
  }
  return { size, out, hasFailover };
}

/** Whether one more would be too many; pure. */
export function isCapped({ size, out, hasFailover }: CapReading, maxPercent: number): boolean {
  if (out + 1 > Math.max(1, Math.floor((size * maxPercent) / 100))) return true;
  return out + 1 >= size && !hasFailover;
}
