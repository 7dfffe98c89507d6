// The ways of calling that are compared, each as a stack of real layers on a modelled network: Ferry as it is with no
// setting at all, one try in turn, and three immediate retries of whatever failed.

import type { Random } from "../../common/random.ts";
import type { Call } from "../../sidecar/call.ts";
import type { Endpoint } from "../../sidecar/discovery/registry.ts";
import type { RequestSender } from "../../sidecar/http2/request-sender.ts";
import { dial } from "../../sidecar/outbound/dial.ts";
import { route } from "../../sidecar/outbound/route.ts";
import { outboundStack } from "../../sidecar/outbound/stack.ts";
import { Upstreams } from "../../sidecar/outbound/upstreams.ts";
import { rescue } from "../../sidecar/rescue.ts";
import { deadline } from "../../sidecar/resilience/deadline.ts";
import { EndpointStates } from "../../sidecar/resilience/endpoint-states.ts";
import type { TriedTraces } from "../../sidecar/resilience/tried-traces.ts";
import { defaultServicePolicy } from "../../sidecar/routing/policy/call-policy.ts";
import type { Snapshot } from "../../sidecar/routing/snapshot.ts";
import { type Service, stack } from "../../sidecar/stack.ts";
import { plainTries } from "./plain-tries.ts";
import { path } from "./simulated-call.ts";
import type { SimulationClock } from "./simulation-clock.ts";

export const policies = ["ferry", "no policy", "plain retries x3"] as const;
export type Policy = (typeof policies)[number];

export interface HopParams {
  readonly clock: SimulationClock;
  readonly random: Random;
  readonly sender: RequestSender;
  /** Shared with the way in of the same process. */
  readonly traces: TriedTraces;
  /** The upstream's name. */
  readonly upstream: string;
  /** Its instances, by host. */
  readonly hosts: readonly string[];
}

/** The way out of one process: calls of `upstream` under `policy`. */
export function makeHop(policy: Policy, params: HopParams): Service<Call> {
  const { clock, random, sender, traces, upstream, hosts } = params;
  const states = new EndpointStates();
  const upstreams = new Upstreams({ clock, states, want: () => {} });
  upstreams.apply(snapshotOf(upstream, hosts));
  const upstreamOf = () => upstream;
  const reportDefect = (error: unknown) => {
    throw error;
  };
  if (policy === "ferry") {
    return outboundStack(
      { maxCallsInFlight: 10_000, maxReplayBytes: 65_536 },
      {
        ...{ clock, random, upstreams, states, sender, traces, upstreamOf, reportDefect },
        recorders: [],
        onRetry: () => {},
        onAdmissionChange: () => {},
      },
    );
  }
  return stack(
    rescue(reportDefect, clock),
    deadline(clock, () => upstream),
    route({ upstreams, random, upstreamOf }),
    plainTries(policy === "no policy" ? 0 : 3, clock),
    dial(sender, clock),
  );
}

/** Instances that the registry calls healthy throughout: what a policy finds out, it finds out by its calls. */
function snapshotOf(upstream: string, hosts: readonly string[]): Snapshot {
  const endpoints: Endpoint[] = hosts.map((host) => ({
    ...{ id: host, host, service: upstream, version: "v1" },
    ...{ port: 9000, weight: 1, health: "passing", meta: {} },
  }));
  return {
    upstream,
    revision: 1,
    chain: {
      ServiceName: upstream,
      Protocol: "grpc",
      StartNode: "resolver",
      Nodes: { resolver: { Type: "resolver", Name: upstream, Resolver: { Target: upstream } } },
      Targets: { [upstream]: { ID: upstream, Service: upstream } },
    },
    endpoints: { [upstream]: endpoints },
    methods: { [path]: { kind: "unary", idempotent: true } },
    policies: { [upstream]: defaultServicePolicy },
  };
}
