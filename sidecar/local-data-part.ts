// The data part in this process: a data plane with what it records, and at a gateway what it answers itself. What a
// sidecar with one worker has, with no other process beside it; and what each of several workers has (worker/main.ts).

import { type Clock, systemClock } from "../common/clock.ts";
import type { JsonLog } from "../common/json-log.ts";
import { randomHex, systemRandom } from "../common/random.ts";
import type { AdminEndpoint, AdminWorker } from "./admin/admin-source.ts";
import { ejectedByUpstream, endpointsOf } from "./admin-view.ts";
import type { ControlUpdate, DataPart, DataPartParams, Entrance, EntranceParams } from "./data-part.ts";
import { DataPlane, type DataPlaneDeps, type LocalEntrance } from "./data-plane.ts";
import { drainEntrance } from "./drain-entrance.ts";
import { edgeMethods } from "./edge/edge.ts";
import { withoutControlFields } from "./edge/edge-fields.ts";
import { GatewayEdge } from "./gateway-edge.ts";
import type { RequestSender } from "./http2/request-sender.ts";
import { type Observation, startObservation } from "./observation.ts";
import type { Snapshot } from "./routing/snapshot.ts";
import { ejectionGauge } from "./telemetry/ejection-gauge.ts";
import { limitMetrics } from "./telemetry/limit-metrics.ts";
import type { FamilySnapshot } from "./telemetry/metric-snapshot.ts";
import { tlsDialer } from "./transport/tls-dial.ts";
import { ChangingMaterial, type DialMaterial, type TlsMaterial } from "./transport/tls-material.ts";

export interface LocalDataPartDeps {
  readonly log: JsonLog;
  /** Asks the control part for an upstream that a call named. */
  want(upstream: string): void;
  /** Instead of opening ports. */
  readonly listen?: DataPlaneDeps["listen"];
}

const clock: Clock = systemClock;

/** Rejects when the collector's address is no http URL; throws when OpenSSL refuses the TLS material. */
export async function startLocalDataPart(params: DataPartParams, deps: LocalDataPartDeps): Promise<LocalDataPart> {
  // The observation reads what the data part holds open; neither asks the other before both are there.
  const observation = await startObservation(params.observation, {
    clock,
    open: { connections: () => part.connections, callsInFlight: () => part.callsInFlight },
    isKnownMethod: (path) => part.knowsMethod(path),
    write: (line) => process.stderr.write(line),
  });
  const part = new LocalDataPart(params, deps, observation);
  return part;
}

export class LocalDataPart implements DataPart {
  readonly #observation: Observation;
  readonly #plane: DataPlane;
  readonly #edge: GatewayEdge | undefined;
  readonly #listenerTls: ChangingMaterial<TlsMaterial> | undefined;
  readonly #upstreamTls: ChangingMaterial<DialMaterial> | undefined;
  readonly #entrances: { readonly way: EntranceParams["way"]; readonly entrance: LocalEntrance }[] = [];
  #ownMethods: ReadonlySet<string> = new Set();

  constructor(params: DataPartParams, deps: LocalDataPartDeps, observation: Observation) {
    const { edgeService, listenerTls, upstreamTls } = params;
    this.#observation = observation;
    this.#listenerTls = listenerTls && new ChangingMaterial(listenerTls.material);
    this.#upstreamTls = upstreamTls && new ChangingMaterial(upstreamTls.material);
    this.#plane = new DataPlane(params.plane, this.#planeDeps(params, deps));
    const table = () => this.#plane.upstreams.table(edgeService ?? "");
    this.#edge = edgeService === undefined ? undefined : new GatewayEdge({ service: edgeService, table });
    ejectionGauge(observation.registry, () => ejectedByUpstream(this.#plane));
    limitMetrics(observation.registry, () => this.#plane.limitReadings());
  }

  apply(update: ControlUpdate): void {
    switch (update.kind) {
      case "snapshot":
        this.#plane.apply(update.snapshot);
        this.#edge?.changed();
        return;
      case "policy":
        this.#plane.applyOwnPolicy(update.policy);
        return;
      case "ownMethods":
        this.#ownMethods = new Set(update.paths);
        return;
      case "edge":
        this.#edge?.apply(update.facts);
        return;
      case "listenerTls":
        this.#listenerTls?.replace(update.material);
        return;
      case "upstreamTls":
        this.#upstreamTls?.replace(update.material);
    }
  }

  async open(params: EntranceParams): Promise<Entrance> {
    const entrance = await this.#openAt(params);
    this.#entrances.push({ way: params.way, entrance });
    const { listening } = entrance;
    return {
      host: listening.host,
      port: listening.port,
      get connections() {
        return listening.connections;
      },
      drain: (how) => drainEntrance(entrance, { ...how, clock }),
    };
  }

  get sender(): RequestSender {
    return this.#plane.pool;
  }

  snapshots(): readonly Snapshot[] {
    return this.#plane.upstreams.snapshots();
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  metrics(): readonly FamilySnapshot[] {
    return this.#observation.registry.snapshot();
  }

  /** Metrics without gauges: what must not be forgotten when this process ends. */
  totals(): readonly FamilySnapshot[] {
    return this.#observation.registry.totals();
  }

  endpoints(): readonly AdminEndpoint[] {
    return endpointsOf(this.#plane);
  }

  workers(): readonly AdminWorker[] {
    const { inbound = 0, outbound = 0 } = this.connections;
    return [{ pid: process.pid, state: "ready", connections: inbound + outbound, callsInFlight: this.callsInFlight }];
  }

  get callsInFlight(): number {
    return this.#plane.callsInFlight;
  }

  /** Connections open now, by where. */
  get connections(): Readonly<Record<string, number>> {
    const at = (way: EntranceParams["way"]) =>
      this.#entrances.reduce(
        (sum, { way: own, entrance }) => sum + (own === way ? entrance.listening.connections : 0),
        0,
      );
    return {
      inbound: at("inbound"),
      outbound: at("outbound"),
      pool: this.#plane.pool.connections,
      mirror: this.#plane.mirrorPool.connections,
    };
  }

  /** Whether descriptors know the method: of the application, or of an upstream in force. */
  knowsMethod(path: string): boolean {
    if (this.#ownMethods.has(path)) return true;
    if (this.#edge !== undefined && edgeMethods.has(path)) return true;
    return this.snapshots().some((snapshot) => Object.hasOwn(snapshot.methods, path));
  }

  async close(): Promise<void> {
    await this.#plane.close();
    await this.#observation.close();
  }

  #openAt(params: EntranceParams): Promise<LocalEntrance> {
    const edge = this.#edge;
    if (params.way === "inbound") return this.#plane.openInbound(params.at, params.app, params.appName);
    const { at, upstream } = params;
    if (upstream !== undefined) return this.#plane.openOutbound(at, () => upstream);
    if (edge === undefined) return this.#plane.openOutbound(at);
    return this.#plane.openOutbound(at, (call) => edge.upstreamOf(call), edge.answerLocally());
  }

  #planeDeps(params: DataPartParams, { log, want, listen }: LocalDataPartDeps): DataPlaneDeps {
    const { metrics, recorders } = this.#observation;
    const { sampleRatio, stripsControlFields, listenerTls, upstreamTls } = params;
    const [listenerSource, upstreamSource] = [this.#listenerTls, this.#upstreamTls];
    // Without a collector nobody would see the trace: callers' decisions are kept, none is made here.
    const hasCollector = params.observation.otlpEndpoint !== null;
    const serverName = upstreamTls?.serverName;
    return {
      clock,
      random: systemRandom,
      sources: {
        nowMs: () => clock.nowMs(),
        randomHex,
        sampleNew: () => hasCollector && systemRandom() < sampleRatio,
      },
      recorders,
      want,
      onRetry: (routed, outcome) => metrics.countRetry(routed, outcome),
      onMirrored: (routed, target, result) => metrics.countMirrored(routed, target, result),
      onAdmissionChange: (target, { state, method, reason }) => {
        if (reason !== undefined) metrics.countEjection(target, reason);
        log.info("endpoint changed admission", { endpoint: target.endpoint.id, state, method, reason });
      },
      onForcedClose: (reason, detail) => {
        metrics.countForcedClose(reason);
        log.info("connection closed by us", { reason, detail });
      },
      onRefused: (reason) => metrics.countRefusedStream(reason),
      ...(stripsControlFields === true && { acceptFields: withoutControlFields }),
      ...(listen !== undefined && { listen }),
      ...(listenerSource !== undefined && { listenTls: { ...listenerTls, source: listenerSource } }),
      ...(upstreamSource !== undefined && {
        makeDialer: (itsClock, options) =>
          tlsDialer(itsClock, { ...options, source: upstreamSource, ...(serverName !== undefined && { serverName }) }),
      }),
      reportDefect: (error, requestId) => log.error("defect", { error, requestId }),
    };
  }
}
