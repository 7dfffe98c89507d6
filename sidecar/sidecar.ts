// The composition root: builds the control part, the data part and the admin server from settings, in the order in
// which they depend on each other, and takes them down in the order in which nobody notices. Called by main.ts.
//
// A sidecar's life: listen -> (application healthy) register -> ready … SIGTERM: leave rotation -> wait until every
// caller knows -> GOAWAY and finish what is under way -> deregister -> keep the way out open for the application ->
// end.

import { networkInterfaces } from "node:os";
import { systemClock, wait } from "../common/clock.ts";
import type { JsonLog } from "../common/json-log.ts";
import { systemRandom } from "../common/random.ts";
import { type Address, formatAddress } from "../common/settings.ts";
import { type AdminServer, startAdminServer } from "./admin/admin-server.ts";
import type { AdminStatus } from "./admin/admin-source.ts";
import { adminView } from "./admin-view.ts";
import { advertisedAddress } from "./advertised-address.ts";
import { watchApp } from "./app-side.ts";
import { Control } from "./control.ts";
import type { DataPart, DataPartParams, Entrance } from "./data-part.ts";
import { DescriptorCache } from "./descriptors/descriptor-cache.ts";
import { readDescriptorImage } from "./descriptors/descriptor-image.ts";
import type { DescriptorSource } from "./descriptors/descriptor-source.ts";
import { imageDescriptors } from "./descriptors/image-descriptors.ts";
import { reflect } from "./descriptors/reflect.ts";
import type { Registry } from "./discovery/registry.ts";
import { GatewayRoutes } from "./gateway-routes.ts";
import { type MeshBackend, openMeshBackend } from "./mesh-backend.ts";
import type { Registrar } from "./registrar.ts";
import type { ManagedChains } from "./routing/chain-source.ts";
import type { SidecarSettings } from "./settings.ts";
import { startDataPart } from "./worker/start-data-part.ts";

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
  const data = await startDataPart(settings.workers, dataPartParams(settings, params.pid), {
    log,
    want: (upstream) => sidecar.want(upstream),
  });
  const sidecar = new Sidecar(params, backend, data);
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
  readonly #data: DataPart;
  #descriptors: DescriptorSource | undefined = undefined;
  #chains: ManagedChains | undefined = undefined;
  #control: Control | undefined = undefined;
  #gateway: GatewayRoutes | undefined = undefined;
  #registrar: Registrar | undefined = undefined;
  #admin: AdminServer | undefined = undefined;
  #inbound: Entrance | undefined = undefined;
  #outbound: Entrance | undefined = undefined;
  readonly #upstreamEntrances = new Map<string, Entrance>();
  #state: "running" | "draining" = "running";

  constructor(params: SidecarParams, backend: MeshBackend, data: DataPart) {
    const { settings, log } = params;
    this.#settings = settings;
    this.#log = log;
    this.#pid = params.pid;
    this.#backend = backend;
    this.#registry = backend.registry;
    this.#data = data;
  }

  /** Opens the listeners, then begins to look for the application's health. */
  async start(): Promise<void> {
    const settings = this.#settings;
    this.#descriptors = await this.#openDescriptors();
    if (settings.role === "gateway") this.#gateway = this.#followGateway(this.#descriptors);
    this.#chains = await this.#backend.startChains({
      signal: this.#abort.signal,
      extend: (chain, chainOf) => this.#gateway?.extend(chain, chainOf) ?? chain,
    });
    this.#control = new Control({
      registry: this.#registry,
      chains: this.#chains,
      methods: this.#descriptors,
      apply: (snapshot) => {
        this.#data.apply({ kind: "snapshot", snapshot });
        this.#gateway?.descriptorsChanged();
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
      }),
    );
    this.#gateway?.watch(this.#registry, () => this.#chains?.refresh(), this.#abort.signal);
    if (settings.role === "gateway") this.#control.want(settings.service);
    for (const upstream of settings.upstreams) this.#control.want(upstream.name);
    if (settings.app !== null && settings.role === "sidecar") {
      this.#control.watchPolicy(settings.service, (policy) => this.#data.apply({ kind: "policy", policy }));
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

  /** A call named an upstream that nobody declared. */
  want(upstream: string): void {
    this.#control?.want(upstream);
  }

  /** Why this sidecar should get no calls now; empty when it should. */
  get notReady(): string {
    if (this.#state === "draining") return "draining";
    if (this.#settings.role === "gateway") {
      const { service } = this.#settings;
      return this.#data.snapshots().some(({ upstream }) => upstream === service) ? "" : "no routes yet";
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
      callsInFlight: this.#data.callsInFlight,
    };
  }

  /** Everything a graceful end needs, in order; `onDrained` when no call comes in any more and we left the registry. */
  async drain(onDrained: () => void): Promise<void> {
    const { drainPropagationMs, drainGraceMs } = this.#settings;
    this.#log.info("draining");
    this.#state = "draining";
    this.#gateway?.draining();
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
  }

  async #openDescriptors(): Promise<DescriptorSource> {
    const { descriptors, role } = this.#settings;
    if (descriptors !== null) return imageDescriptors(await readDescriptorImage(descriptors));
    return new DescriptorCache({
      clock,
      random: systemRandom,
      ask: (target) => reflect({ sender: this.#data.sender, clock }, target),
      keepsFiles: role === "gateway",
      onProblem: (service, version, detail) => this.#log.debug("no descriptors yet", { service, version, detail }),
    });
  }

  #followGateway(descriptors: DescriptorSource): GatewayRoutes {
    const { service } = this.#settings;
    const gateway = new GatewayRoutes({
      service,
      descriptors,
      tell: (facts) => this.#data.apply({ kind: "edge", facts }),
    });
    descriptors.onMethods(() => gateway.descriptorsChanged());
    gateway.descriptorsChanged();
    return gateway;
  }

  async #openListeners(): Promise<void> {
    const { role, app, inbound, outbound, service, upstreams } = this.#settings;
    const at = outbound ?? loopback(role === "gateway" ? 8080 : 0);
    this.#outbound = await this.#data.open({ way: "outbound", at });
    if (role === "sidecar" && app !== null) {
      this.#inbound = await this.#data.open({ way: "inbound", at: inbound, app, appName: service });
    }
    for (const { name, port } of upstreams) {
      if (port === undefined) continue;
      const entrance = await this.#data.open({ way: "outbound", at: loopback(port), upstream: name });
      this.#upstreamEntrances.set(name, entrance);
    }
  }

  #watchApp(app: Address): void {
    const settings = this.#settings;
    const { host, port } = advertisedAddress(this.#inbound!, settings.advertise, networkInterfaces());
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
        sender: this.#data.sender,
        signal: this.#abort.signal,
        onMethods: (methods) => this.#data.apply({ kind: "ownMethods", paths: Object.keys(methods) }),
      },
    );
  }

  /** The application may still call others while it shuts down: the way out stays until it is gone, or not for ever. */
  async #outliveApp(graceMs: number): Promise<void> {
    const entrances = this.#ways();
    const isUsed = () => entrances.some(({ connections }) => connections > 0);
    const untilMs = clock.nowMs() + graceMs;
    while (isUsed() && clock.nowMs() < untilMs && !this.#hurry.signal.aborted) await this.#pause(50);
    await Promise.all(entrances.map((entrance) => this.#drainEntrance(entrance, graceMs)));
  }

  #drainEntrance(entrance: Entrance, graceMs: number): Promise<void> {
    return entrance.drain({ graceMs, hurry: this.#hurry.signal });
  }

  /** Every way out. */
  #ways(): readonly Entrance[] {
    return this.#outbound === undefined ? [] : [this.#outbound, ...this.#upstreamEntrances.values()];
  }

  async #pause(ms: number): Promise<void> {
    await wait(clock, ms, this.#hurry.signal).catch(() => {});
  }
}

function dataPartParams(settings: SidecarSettings, pid: number): DataPartParams {
  const { service, role } = settings;
  const isGateway = role === "gateway";
  const { maxCallsInFlight, maxReplayBytes, limits } = settings;
  return {
    plane: { service, maxCallsInFlight, maxReplayBytes, limits },
    observation: {
      ...{ service, instance: instanceId(settings, pid), version: settings.version, isGateway },
      otlpEndpoint: settings.otlpEndpoint,
      otelServiceName: settings.otelServiceName,
      hasAccessLog: settings.accessLog === "on",
    },
    sampleRatio: settings.sampleRatio,
    ...(isGateway && { edgeService: service, stripsControlFields: settings.edgeControlHeaders === "strip" }),
  };
}

function instanceId({ instance, service }: SidecarSettings, pid: number): string {
  return instance === "" ? `${service}-${pid}` : instance;
}

function addressOf({ host, port }: Entrance): string {
  return formatAddress({ host, port });
}

function loopback(port: number): Address {
  return { host: "127.0.0.1", port };
}
