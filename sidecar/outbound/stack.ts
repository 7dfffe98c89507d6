// THE list of layers that a call from the application (or, at a gateway, from the world) passes on its way out,
// outermost first. Each line says why it stands there and not one lower. docs/life-of-a-request.md draws it.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { whereOf } from "../as-failure.ts";
import type { Call } from "../call.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { rescue } from "../rescue.ts";
import { balance } from "../resilience/balance.ts";
import { capDeadline, deadline } from "../resilience/deadline.ts";
import { earlyRefusal } from "../resilience/early-refusal.ts";
import type { EndpointStates } from "../resilience/endpoint-states.ts";
import { fault } from "../resilience/fault.ts";
import { type GateDeps, gate } from "../resilience/gate.ts";
import { hedge } from "../resilience/hedge.ts";
import { LatencyWindows, observeLatency } from "../resilience/latency-windows.ts";
import { CallLimits, limit } from "../resilience/limit.ts";
import { type MirrorDeps, mirror } from "../resilience/mirror.ts";
import { MirrorPlaces } from "../resilience/mirror-places.ts";
import { type RetryDeps, retry } from "../resilience/retry.ts";
import { RetryBudgets } from "../resilience/retry-budgets.ts";
import { shed } from "../resilience/shed.ts";
import { TriedTraces } from "../resilience/tried-traces.ts";
import { faultAbort, faultDelay } from "../routing/policy/fault-policy.ts";
import { type Layer, type Service, stack } from "../stack.ts";
import { type Recorder, record } from "../telemetry/record.ts";
import { dial } from "./dial.ts";
import { type RouteDeps, route } from "./route.ts";
import { sendMirrored } from "./send-mirrored.ts";
import type { Upstreams } from "./upstreams.ts";

export interface OutboundParams {
  readonly maxCallsInFlight: number;
  readonly maxReplayBytes: number;
  /** The service that calls go out for, as the next sidecar is told; undefined: it is told nothing. */
  readonly service?: string;
}

export interface OutboundDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly upstreams: Upstreams;
  readonly states: EndpointStates;
  /** Default: of this stack alone. */
  readonly latencies?: LatencyWindows;
  readonly sender: RequestSender;
  /** Default: copies go out as real calls do, and have places of this stack alone. */
  readonly mirroring?: Mirroring;
  readonly recorders: readonly Recorder[];
  readonly upstreamOf: RouteDeps["upstreamOf"];
  /** What retries and hedges may cost. Default: of this stack alone. */
  readonly budgets?: RetryBudgets;
  /** What the way in of the same sidecar must know of retries. Default: there is none. */
  readonly traces?: TriedTraces;
  /** The places of every service, of all ways out together. Default: of this stack alone. */
  readonly limits?: CallLimits;
  readonly onRetry: RetryDeps["onRetry"];
  readonly onAdmissionChange: GateDeps["onAdmissionChange"];
  readonly reportDefect: (error: unknown, requestId: string) => void;
  /** What the gateway answers by itself; a plain sidecar has nothing. */
  readonly answerLocally?: Layer<Call>;
}

/** What mirrored copies have for themselves, so that no real call is touched by them. */
export interface Mirroring {
  readonly sender: RequestSender;
  readonly places: MirrorPlaces;
  readonly onMirrored: MirrorDeps["onMirrored"];
}

export function outboundStack(params: OutboundParams, deps: OutboundDeps): Service<Call> {
  const { limits = new CallLimits() } = deps;
  const {
    clock,
    random,
    states,
    sender,
    latencies = new LatencyWindows(),
    budgets = new RetryBudgets(),
    traces = new TriedTraces(),
  } = deps;
  return stack(
    // Outermost: what is recorded is what the caller saw, with all the time it took.
    record("outbound", [...deps.recorders, observeLatency], clock),
    // Outside of everything that can fail: no error leaves as a bare reset.
    rescue(deps.reportDefect, clock),
    // Before anything that costs memory or waits: an overload is refused at once.
    shed(params.maxCallsInFlight, { clock, random }),
    // Outside of every wait, so that none outlives the caller's patience.
    deadline(clock, whereOf),
    // Health and reflection are the gateway's own and never routed.
    deps.answerLocally ?? pass,
    // Once per call, outside retry: a retry stays on its side of a split.
    route({ upstreams: deps.upstreams, random, upstreamOf: deps.upstreamOf }),
    // Inside route, which knows the cap, and outside retry: it bounds all tries together.
    capDeadline(clock, whereOf),
    // Outside of every limit and of retry: a call that waits on purpose takes no real one's place, and none is retried.
    fault({ clock, random, forms: { delay: faultDelay, abort: faultAbort } }),
    // Inside fault: what is copied is what goes on. Outside of every limit and of retry: once, and in nobody's place.
    mirror(mirrorDeps(params, deps)),
    // Inside route, which knows the service, outside retry: a call has one place however often it is tried.
    limit({ limits, clock, random }),
    // Inside everything that waits on purpose, outside retry: judges by the time that is left for the first try.
    earlyRefusal(latencies, clock),
    // Outside balance: every try picks a fresh endpoint.
    retry({ clock, random, budgets, traces, maxReplayBytes: params.maxReplayBytes, onRetry: deps.onRetry }),
    // Inside retry, for which both tries are one, and outside balance, which finds the second another endpoint.
    hedge({ clock, budgets, traces, maxReplayBytes: params.maxReplayBytes }),
    // Outside gate: it asks which endpoints are admitted, gate counts what became of the choice.
    balance({ states, clock, random }),
    // Innermost but one: sees each try at its endpoint by itself, retried ones too.
    gate({ states, clock, random, onAdmissionChange: deps.onAdmissionChange }),
    dial(sender, clock, params.service),
  );
}

const pass: Layer<Call> = (next) => next;

function mirrorDeps({ maxReplayBytes, service }: OutboundParams, deps: OutboundDeps): MirrorDeps {
  const { clock, random, upstreams } = deps;
  const { sender, places, onMirrored } = deps.mirroring ?? {
    sender: deps.sender,
    places: new MirrorPlaces(),
    onMirrored: () => {},
  };
  const send = sendMirrored({ clock, random, upstreams, dial: dial(sender, clock, service) });
  return { clock, random, places, maxBodyBytes: maxReplayBytes, send, onMirrored };
}
