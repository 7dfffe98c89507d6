// The composition root: builds the control part, the data part and the admin server from settings, in the order in
// which they depend on each other, and takes them down in the order in which nobody notices. Called by main.ts.
//
// A sidecar's life: listen -> (application healthy) register -> ready … SIGTERM: leave rotation -> wait until every
// caller knows -> GOAWAY and finish what is under way -> deregister -> keep the way out open for the application ->
// end.

import { networkInterfaces } from "node:os";
import { systemClock, wait } from "../common/clock.ts";
import type { JsonLog } from "../common/json-log.ts";
import { randomHex, systemRandom } from "../common/random.ts";
import { type Address, formatAddress } from "../common/settings.ts";
import { type AdminServer, startAdminServer } from "./admin/admin-server.ts";
import type { AdminStatus } from "./admin/admin-source.ts";
import { adminView, ejectedByUpstream } from "./admin-view.ts";
import { advertisedAddress } from "./advertised-address.ts";
import { watchApp } from "./app-side.ts";
import { Control } from "./control.ts";
import { DataPlane, type Entrance } from "./data-plane.ts";
import { DescriptorCache } from "./descriptors/descriptor-cache.ts";
import { readDescriptorImage } from "./descriptors/descriptor-image.ts";
import type { DescriptorSource } from "./descriptors/descriptor-source.ts";
import { imageDescriptors } from "./descriptors/image-descriptors.ts";
import { reflect } from "./descriptors/reflect.ts";
import type { Registry } from "./discovery/registry.ts";
import { drainEntrance } from "./drain-entrance.ts";
import { edgeMethods } from "./edge/edge.ts";
import { withoutControlFields } from "./edge/edge-fields.ts";
import { GatewayEdge } from "./gateway-edge.ts";
import { type MeshBackend, openMeshBackend } from "./mesh-backend.ts";
import { type Observation, startObservation } from "./observation.ts";
import type { Registrar } from "./registrar.ts";
import type { ManagedChains } from "./routing/chain-source.ts";
import type { MethodTraits } from "./routing/snapshot.ts";
import type { SidecarSettings } from "./settings.ts";
import { ejectionGauge } from "./telemetry/ejection-gauge.ts";
import { limitMetrics } from "./telemetry/limit-metrics.ts";

export interface SidecarParams {
  readonly settings: SidecarSettings;
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  readonly log: JsonLog;
}

/** Where everything listens, `host:port`. */
export interface SidecarAddresses {
  /** Undefined at a gateway. */
  readonly inbound: string | undefined;
  readonly outbound: string;
  readonly admin: string;
  readonly upstreams: Readonly<Record<string, string>>;
}

/** Rejects with one sentence when a listener cannot be opened or a setting names something that is not there. */
export async function startSidecar(params: SidecarParams): Promise<Sidecar> {
  const { settings, log } = params;
  const backend = await openMeshBackend(settings, { clock, log });
  // The observation reads what the sidecar holds open; neither asks the other before both are there.
  const open = { connections: () => sidecar.connections, callsInFlight: () => sidecar.callsInFlight };
  const observation = await startObservation(
    {
      service: settings.service,
      instance: instanceId(settings, params.pid),
      version: settings.version,
      isGateway: settings.role === "gateway",
      otlpEndpoint: settings.otlpEndpoint,
      otelServiceName: settings.otelServiceName,
      hasAccessLog: settings.accessLog === "on",
    },
    { clock, open, isKnownMethod: (path) => sidecar.knowsMethod(path), write: (line) => process.stderr.write(line) },
  );
  const sidecar = new Sidecar(params, backend, observation);
  log.debug("starting", { service: settings.service, role: settings.role });
  try {
    await sidecar.start();
  } catch (error) {
    await sidecar.close();
    throw error;
  }
  return sidecar;
}

const clock = systemClock;

export class Sidecar {
  readonly #settings: SidecarSettings;
  readonly #log: JsonLog;
  readonly #pid: number;
  readonly #abort = new AbortController();
  readonly #hurry = new AbortController();
  readonly #backend: MeshBackend;
  readonly #registry: Registry;
  readonly #data: DataPlane;
  readonly #observation: Observation;
  #descriptors: DescriptorSource | undefined = undefined;
  #chains: ManagedChains | undefined = undefined;
  #control: Control | undefined = undefined;
  #edge: GatewayEdge | undefined = undefined;
  #registrar: Registrar | undefined = undefined;
  #admin: AdminServer | undefined = undefined;
  #inbound: Entrance | undefined = undefined;
  #outbound: Entrance | undefined = undefined;
  readonly #upstreamEntrances = new Map<string, Entrance>();
  #ownMethods: Readonly<Record<string, MethodTraits>> = {};
  #state: "running" | "draining" = "running";

  constructor(params: SidecarParams, backend: MeshBackend, observation: Observation) {
    const { settings, log } = params;
    const { metrics, recorders } = observation;
    this.#observation = observation;
    this.#settings = settings;
    this.#log = log;
    this.#pid = params.pid;
    this.#backend = backend;
    this.#registry = backend.registry;
    ejectionGauge(observation.registry, () => ejectedByUpstream(this.#data));
    limitMetrics(observation.registry, () => this.#data.limitReadings());
    this.#data = new DataPlane(settings, {
      clock,
      random: systemRandom,
      sources: {
        nowMs: () => clock.nowMs(),
        randomHex,
        // Without a collector nobody would see the trace: callers' decisions are kept, none is made here.
        sampleNew: () => settings.otlpEndpoint !== null && systemRandom() < settings.sampleRatio,
      },
      recorders,
      want: (upstream) => this.#control?.want(upstream),
      onRetry: (routed, outcome) => metrics.countRetry(routed, outcome),
      onMirrored: (routed, target, result) => metrics.countMirrored(routed, target, result),
      onAdmissionChange: (target, { state, method, reason }) => {
        if (reason !== undefined) metrics.countEjection(target, reason);
        log.info("endpoint changed admission", { endpoint: target.endpoint.id, state, method, reason });
      },
      onForcedClose: (reason) => {
        metrics.countForcedClose(reason);
        log.info("connection closed by us", { reason });
      },
      onRefused: (reason) => metrics.countRefusedStream(reason),
      ...(settings.role === "gateway" &&
        settings.edgeControlHeaders === "strip" && { acceptFields: withoutControlFields }),
      reportDefect: (error, requestId) => log.error("defect", { error, requestId }),
    });
  }

  /** Opens the listeners, then begins to look for the application's health. */
  async start(): Promise<void> {
    const settings = this.#settings;
    this.#descriptors = await this.#openDescriptors();
    if (settings.role === "gateway") this.#edge = this.#makeEdge(this.#descriptors);
    this.#chains = await this.#backend.startChains({
      signal: this.#abort.signal,
      extend: (chain, chainOf) => this.#edge?.extend(chain, chainOf) ?? chain,
    });
    this.#control = new Control({
      registry: this.#registry,
      chains: this.#chains,
      methods: this.#descriptors,
      apply: (snapshot) => {
        this.#data.apply(snapshot);
        this.#edge?.changed();
      },
    });
    await this.#openListeners();
    this.#admin = await startAdminServer(
      settings.admin,
      adminView({
        settings,
        data: this.#data,
        chains: this.#chains,
        status: () => this.status,
        metrics: () => this.#observation.registry.snapshot(),
      }),
    );
    this.#edge?.watch(this.#registry, () => this.#chains?.refresh(), this.#abort.signal);
    if (settings.role === "gateway") this.#control.want(settings.service);
    for (const upstream of settings.upstreams) this.#control.want(upstream.name);
    if (settings.app !== null && settings.role === "sidecar") {
      this.#control.watchPolicy(settings.service, (policy) => this.#data.applyOwnPolicy(policy));
      this.#watchApp(settings.app);
    }
  }

  get addresses(): SidecarAddresses {
    const upstreams = [...this.#upstreamEntrances].map(([name, entrance]) => [name, addressOf(entrance)] as const);
    return {
      inbound: this.#inbound && addressOf(this.#inbound),
      outbound: addressOf(this.#outbound!),
      admin: this.#admin === undefined ? "" : formatAddress(this.#admin),
      upstreams: Object.fromEntries(upstreams),
    };
  }

  /** Connections open now, by where. */
  get connections(): Readonly<Record<string, number>> {
    return {
      inbound: this.#inbound?.listening.connections ?? 0,
      outbound: this.#ways().reduce((sum, { listening }) => sum + listening.connections, 0),
      pool: this.#data.pool.connections,
      mirror: this.#data.mirrorPool.connections,
    };
  }

  get callsInFlight(): number {
    return this.#data.callsInFlight;
  }

  /** Whether descriptors know the method: of the application, or of an upstream in force. */
  knowsMethod(path: string): boolean {
    if (Object.hasOwn(this.#ownMethods, path)) return true;
    if (this.#edge !== undefined && edgeMethods.has(path)) return true;
    return this.#data.upstreams.snapshots().some((snapshot) => Object.hasOwn(snapshot.methods, path));
  }

  /** Why this sidecar should get no calls now; empty when it should. */
  get notReady(): string {
    if (this.#state === "draining") return "draining";
    if (this.#settings.role === "gateway") {
      return this.#data.upstreams.table(this.#settings.service) === undefined ? "no routes yet" : "";
    }
    const registrar = this.#registrar;
    if (registrar === undefined) return "starting";
    if (registrar.note !== "") return `application: ${registrar.note}`;
    return registrar.isInRotation ? "" : "not registered yet";
  }

  get status(): AdminStatus {
    const { service, version, role } = this.#settings;
    const reason = this.notReady;
    const { inbound, outbound } = this.addresses;
    return {
      service,
      instanceId: instanceId(this.#settings, this.#pid),
      version,
      role,
      state: this.#state === "draining" ? "draining" : reason === "" ? "ready" : "starting",
      appHealth: this.#registrar?.health ?? "unknown",
      reason,
      inbound: inbound ?? "",
      outbound,
      pid: this.#pid,
      callsInFlight: this.callsInFlight,
    };
  }

  /** Everything a graceful end needs, in order; `onDrained` when no call comes in any more and we left the registry. */
  async drain(onDrained: () => void): Promise<void> {
    const { drainPropagationMs, drainGraceMs } = this.#settings;
    this.#log.info("draining");
    this.#state = "draining";
    this.#edge?.changed();
    await this.#registrar?.leaveRotation();
    // Callers learn of it by their watches: until they have, calls still come and are served.
    await this.#pause(drainPropagationMs);
    if (this.#inbound !== undefined) await this.#drainEntrance(this.#inbound, drainGraceMs);
    if (this.#settings.role === "gateway") await this.#drainEntrance(this.#outbound!, drainGraceMs);
    await this.#registrar?.deregister();
    onDrained();
    if (this.#settings.role === "sidecar") await this.#outliveApp(drainGraceMs);
    await this.close();
  }

  /** Whoever waits for the drain waits no longer. */
  hurry(): void {
    this.#hurry.abort();
  }

  /** Ends everything at once. Idempotent. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#control?.close();
    this.#descriptors?.close();
    await this.#registrar?.deregister();
    await this.#admin?.close();
    await this.#data.close();
    await this.#registry.close();
    await this.#observation.close();
  }

  async #openDescriptors(): Promise<DescriptorSource> {
    const { descriptors, role } = this.#settings;
    if (descriptors !== null) return imageDescriptors(await readDescriptorImage(descriptors));
    return new DescriptorCache({
      clock,
      random: systemRandom,
      ask: (target) => reflect({ sender: this.#data.pool, clock }, target),
      keepsFiles: role === "gateway",
      onProblem: (service, version, detail) => this.#log.debug("no descriptors yet", { service, version, detail }),
    });
  }

  #makeEdge(descriptors: DescriptorSource): GatewayEdge {
    const { service } = this.#settings;
    const edge = new GatewayEdge({
      service,
      descriptors,
      table: () => this.#data.upstreams.table(service),
      isReady: () => this.notReady === "",
      isDraining: () => this.#state === "draining",
    });
    descriptors.onMethods(() => edge.changed());
    return edge;
  }

  async #openListeners(): Promise<void> {
    const { role, app, inbound, outbound, service, upstreams } = this.#settings;
    const edge = this.#edge;
    if (edge !== undefined) {
      const at = outbound ?? { host: "127.0.0.1", port: 8080 };
      this.#outbound = await this.#data.openOutbound(at, (call) => edge.upstreamOf(call), edge.answerLocally());
    } else {
      this.#outbound = await this.#data.openOutbound(outbound ?? loopback(0));
    }
    if (role === "sidecar" && app !== null) this.#inbound = await this.#data.openInbound(inbound, app, service);
    for (const { name, port } of upstreams) {
      if (port === undefined) continue;
      this.#upstreamEntrances.set(name, await this.#data.openOutbound(loopback(port), () => name));
    }
  }

  #watchApp(app: Address): void {
    const settings = this.#settings;
    const { host, port } = advertisedAddress(this.#inbound!.listening, settings.advertise, networkInterfaces());
    const { service, version, weight, meta, appPid, grpcServices, healthIntervalMs, healthTimeoutMs } = settings;
    const id = instanceId(settings, this.#pid);
    const { admin } = this.addresses;
    const registration = { id, service, version, host, port, weight, meta, appPid, sidecarPid: this.#pid, admin };
    this.#registrar = watchApp(
      { app, registration, grpcServices, healthIntervalMs, healthTimeoutMs },
      {
        clock,
        log: this.#log,
        registry: this.#registry,
        sender: this.#data.pool,
        signal: this.#abort.signal,
        onMethods: (methods) => {
          this.#ownMethods = methods;
        },
      },
    );
  }

  /** The application may still call others while it shuts down: the way out stays until it is gone, or not for ever. */
  async #outliveApp(graceMs: number): Promise<void> {
    const entrances = this.#ways();
    const isUsed = () => entrances.some(({ listening }) => listening.connections > 0);
    const untilMs = clock.nowMs() + graceMs;
    while (isUsed() && clock.nowMs() < untilMs && !this.#hurry.signal.aborted) await this.#pause(50);
    await Promise.all(entrances.map((entrance) => this.#drainEntrance(entrance, graceMs)));
  }

  #drainEntrance(entrance: Entrance, graceMs: number): Promise<void> {
    return drainEntrance(entrance, { graceMs, clock, hurry: this.#hurry.signal });
  }

  /** Every way out. */
  #ways(): readonly Entrance[] {
    return this.#outbound === undefined ? [] : [this.#outbound, ...this.#upstreamEntrances.values()];
  }

  async #pause(ms: number): Promise<void> {
    await wait(clock, ms, this.#hurry.signal).catch(() => {});
  }
}

function instanceId({ instance, service }: SidecarSettings, pid: number): string {
  return instance === "" ? `${service}-${pid}` : instance;
}

function addressOf({ listening }: Entrance): string {
  return formatAddress(listening);
}

function loopback(port: number): Address {
  return { host: "127.0.0.1", port };
}
