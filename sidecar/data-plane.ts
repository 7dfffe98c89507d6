// The data part of a sidecar: its listeners, its stacks, its pool. Gets snapshots and nothing else from the control
// part, as plain data, so that N workers can each have one of these behind one control part. Everything per call is
// here.

import type { Clock } from "../common/clock.ts";
import type { Random } from "../common/random.ts";
import type { Address } from "../common/settings.ts";
import type { Call } from "./call.ts";
import { BufferedBytes, processBuffers } from "./http2/buffered-bytes.ts";
import type { HeaderFields } from "./http2/header-field.ts";
import type { Limits } from "./http2/limits.ts";
import { InboundRules } from "./inbound/inbound-rules.ts";
import { inboundStack } from "./inbound/stack.ts";
import { serviceOfAuthority } from "./outbound/route.ts";
import { outboundStack } from "./outbound/stack.ts";
import { Upstreams } from "./outbound/upstreams.ts";
import type { CallSources } from "./received-call.ts";
import { refuseTooLarge } from "./refuse-too-large.ts";
import { EndpointStates } from "./resilience/endpoint-states.ts";
import type { GateDeps } from "./resilience/gate.ts";
import { LatencyWindows } from "./resilience/latency-windows.ts";
import { type CallLimit, CallLimits } from "./resilience/limit.ts";
import type { MirrorDeps } from "./resilience/mirror.ts";
import { MirrorPlaces } from "./resilience/mirror-places.ts";
import type { RetryDeps } from "./resilience/retry.ts";
import { RetryBudgets } from "./resilience/retry-budgets.ts";
import { TriedTraces } from "./resilience/tried-traces.ts";
import type { ServicePolicy } from "./routing/policy/call-policy.ts";
import type { Snapshot } from "./routing/snapshot.ts";
import { type CallServer, serveCalls } from "./serve-calls.ts";
import type { Layer } from "./stack.ts";
import type { LimitReading } from "./telemetry/limit-metrics.ts";
import type { Recorder } from "./telemetry/record.ts";
import { type Dialer, type DialOptions, plaintextDialer } from "./transport/dial.ts";
import { type Listening, type ListenOptions, listenHttp2 } from "./transport/listen.ts";
import { Pool } from "./transport/pool.ts";
import type { TlsListenOptions } from "./transport/tls-accept.ts";

export interface DataPlaneParams {
  readonly maxCallsInFlight: number;
  readonly maxReplayBytes: number;
  /** The service that this sidecar stands beside, or a gateway's own; undefined: none. */
  readonly service?: string;
  /** Of every connection, in and out, instead of the defaults of http2/limits.ts. */
  readonly limits: Partial<Limits>;
}

export interface DataPlaneDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly sources: CallSources;
  readonly recorders: readonly Recorder[];
  /** Asks the control part for an upstream that a call named. */
  want(upstream: string): void;
  readonly onRetry: RetryDeps["onRetry"];
  readonly onAdmissionChange: GateDeps["onAdmissionChange"];
  /** What became of a mirrored copy; default: nobody is told. */
  readonly onMirrored?: MirrorDeps["onMirrored"];
  /** A connection, in or out, was closed by us. */
  onForcedClose(reason: string, detail: string): void;
  /** One stream was refused or reset by a limit. */
  onRefused(reason: string): void;
  /** What the ways out take of a request's header; default: all of it. */
  readonly acceptFields?: (fields: HeaderFields) => HeaderFields;
  /** For listeners of the way out; default: plaintext. */
  readonly listenTls?: TlsListenOptions;
  /** Makes the pool's dialer; default: plaintext. */
  readonly makeDialer?: (clock: Clock, options: DialOptions) => Dialer;
  /** Default: opens a port. */
  readonly listen?: (options: ListenOptions) => Promise<Listening>;
  reportDefect(error: unknown, requestId: string): void;
}

/** A listener with the calls that came through it. */
export interface LocalEntrance {
  readonly listening: Listening;
  readonly calls: CallServer;
}

export class DataPlane {
  readonly upstreams: Upstreams;
  readonly states = new EndpointStates();
  /** By method, of all ways out together. */
  readonly latencies = new LatencyWindows();
  readonly #budgets = new RetryBudgets();
  readonly #traces = new TriedTraces();
  readonly callLimits = new CallLimits();
  readonly inboundRules: InboundRules;
  readonly pool: Pool;
  /** Mirrored copies have connections of their own: one that is not read cannot hold up a real call. */
  readonly mirrorPool: Pool;
  readonly #mirrorPlaces = new MirrorPlaces();
  readonly #params: DataPlaneParams;
  readonly #deps: DataPlaneDeps;
  /** What every connection is made with. */
  readonly #connections: Pick<DialOptions, "limits" | "buffers" | "onForcedClose" | "onRefused">;
  readonly #entrances: LocalEntrance[] = [];

  constructor(params: DataPlaneParams, deps: DataPlaneDeps) {
    this.#params = params;
    this.#deps = deps;
    this.upstreams = new Upstreams({ clock: deps.clock, states: this.states, want: (name) => deps.want(name) });
    const { limits, service = "" } = params;
    this.inboundRules = new InboundRules(service, deps.clock);
    const { clock, makeDialer = plaintextDialer } = deps;
    this.#connections = {
      limits,
      buffers: limits.maxBufferedBytes === undefined ? processBuffers : new BufferedBytes(limits.maxBufferedBytes),
      onForcedClose: (reason, detail) => deps.onForcedClose(reason, detail),
      onRefused: (reason) => deps.onRefused(reason),
    };
    this.pool = new Pool({ clock, dial: makeDialer(clock, this.#connections) });
    this.mirrorPool = new Pool({ clock, dial: makeDialer(clock, this.#connections) });
  }

  /** Puts a snapshot in force for the next call. */
  apply(snapshot: Snapshot): void {
    this.upstreams.apply(snapshot);
    this.callLimits.retain(new Set(this.upstreams.snapshots().flatMap(({ policies }) => Object.keys(policies))));
  }

  /** Puts the settings of our own service in force for the next call that comes in. */
  applyOwnPolicy(policy: ServicePolicy): void {
    this.inboundRules.apply(policy);
  }

  /** Opens the way in: every call goes to `app`. */
  openInbound(at: Address, app: Address, appName: string): Promise<LocalEntrance> {
    const { clock, random, recorders, reportDefect } = this.#deps;
    const { maxCallsInFlight } = this.#params;
    const own = { rules: this.inboundRules, traces: this.#traces };
    const deps = { clock, random, sender: this.pool, recorders, reportDefect, ...own };
    return this.#open(
      at,
      serveCalls(inboundStack({ app, appName, maxCallsInFlight }, deps), this.#deps.sources, { reportDefect }),
    );
  }

  /**
   * Opens a way out. `upstream`: the one this listener is for; undefined: each call names its own in `:authority`.
   * `answerLocally` is the gateway's.
   */
  openOutbound(
    at: Address,
    upstreamOf: (call: Call) => string | undefined = (call) => serviceOfAuthority(call.authority),
    answerLocally?: Layer<Call>,
  ): Promise<LocalEntrance> {
    const { clock, random, sources, recorders, onRetry, reportDefect, acceptFields, listenTls } = this.#deps;
    const service = outboundStack(this.#params, {
      clock,
      random,
      recorders,
      onRetry,
      reportDefect,
      upstreams: this.upstreams,
      states: this.states,
      latencies: this.latencies,
      budgets: this.#budgets,
      traces: this.#traces,
      limits: this.callLimits,
      sender: this.pool,
      mirroring: {
        sender: this.mirrorPool,
        places: this.#mirrorPlaces,
        onMirrored: (routed, target, result) => this.#deps.onMirrored?.(routed, target, result),
      },
      upstreamOf,
      onAdmissionChange: (target, change) => this.#deps.onAdmissionChange(target, change),
      ...(answerLocally !== undefined && { answerLocally }),
    });
    return this.#open(at, serveCalls(service, sources, { acceptFields, reportDefect }), listenTls);
  }

  /** Calls under way, both directions. */
  get callsInFlight(): number {
    return this.#entrances.reduce((sum, entrance) => sum + entrance.calls.inFlight, 0);
  }

  /** How full the limits are, for metrics. */
  limitReadings(): readonly LimitReading[] {
    const reading = (direction: LimitReading["direction"], { name, places }: CallLimit, method = ""): LimitReading => {
      const { limit, inFlight, pending } = places;
      return { direction, service: name, method, limit, inFlight, pending };
    };
    const out = [...this.callLimits.all()].map((limit) => reading("outbound", limit));
    if (this.#params.service === undefined) return out;
    const { total } = this.inboundRules;
    const adaptive = [...this.inboundRules.adaptive()].map(({ own }) => ({
      ...reading("inbound", own, own.name),
      service: total.name,
    }));
    return [...out, reading("inbound", total), ...adaptive];
  }

  /** Ends what is left, at once. */
  async close(): Promise<void> {
    await Promise.all(this.#entrances.map((entrance) => entrance.listening.close()));
    await Promise.all([this.pool.close(), this.mirrorPool.close()]);
  }

  async #open(at: Address, calls: CallServer, tls?: TlsListenOptions): Promise<LocalEntrance> {
    const { clock, listen = listenHttp2 } = this.#deps;
    const listening = await listen({
      host: at.host,
      port: at.port,
      clock,
      onRequest: (stream) => calls.serve(stream),
      onTooLarge: refuseTooLarge,
      ...this.#connections,
      ...(tls !== undefined && { tls }),
    });
    const entrance = { listening, calls };
    this.#entrances.push(entrance);
    return entrance;
  }
}
