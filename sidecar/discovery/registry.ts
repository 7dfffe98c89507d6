// Where instances are registered and found. Implemented by a directory on disk and by Consul; registry.suite.ts states
// what both guarantee. Used by the control part only: the data part gets endpoints inside a Snapshot.

/** What the registry knows of one instance. Plain data. */
export interface Endpoint {
  /** Unique within the registry, as `quote-query-1`. */
  readonly id: string;
  readonly service: string;
  /** The deployed version, as `v1`; empty when not stated. */
  readonly version: string;
  /** Where its sidecar listens for other sidecars. */
  readonly host: string;
  readonly port: number;
  /** Share of traffic among the endpoints of one target; 0 gets none. */
  readonly weight: number;
  /** `critical` gets no traffic, whatever the balancer thinks. */
  readonly health: "passing" | "warning" | "critical";
  /** Free form, matched by subset filters (`Service.Meta.<key>`). */
  readonly meta: Readonly<Record<string, string>>;
  /** `Service.Tags` to subset filters. Only Consul has them. */
  readonly tags?: readonly string[];
  /** The machine, `Node.…` to subset filters. Only Consul has it. */
  readonly node?: EndpointNode;
}

export interface EndpointNode {
  readonly name: string;
  readonly address: string;
  readonly datacenter: string;
  readonly meta: Readonly<Record<string, string>>;
}

/** What a sidecar registers for the instance it stands beside. */
export interface Registration {
  readonly id: string;
  readonly service: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly meta: Readonly<Record<string, string>>;
  /** Process ids, for `ferry status` and for telling a dead instance from a live one; 0 when unknown. */
  readonly appPid: number;
  readonly sidecarPid: number;
  /** Where the sidecar's admin server listens, `host:port`. */
  readonly admin: string;
}

/** An instance as an operator sees it: all that was registered, and how it is. */
export interface RegisteredInstance extends Registration {
  readonly health: "passing" | "warning" | "critical" | "maintenance";
  /** Why it is not passing; empty when it is. */
  readonly note: string;
}

/** A live registration of our own. */
export interface RegistrationHandle {
  /** Sets what a watcher sees; the same health again does nothing. */
  setHealth(health: "passing" | "warning" | "critical", note: string): Promise<void>;
  /** Takes the instance out of rotation but leaves it visible: the first step of a drain. */
  enterMaintenance(reason: string): Promise<void>;
  /** Removes it. Idempotent. */
  deregister(): Promise<void>;
}

export interface Registry {
  register(registration: Registration): Promise<RegistrationHandle>;
  /**
   * The instances of `service` that may be dialed, now and after every change, until `signal` aborts. The first set
   * comes even when it is empty. While the registry cannot be reached the last set stays in force.
   * `onChange` is not called for a set that is equal to the one before.
   */
  watchService(service: string, onChange: (endpoints: readonly Endpoint[]) => void, signal: AbortSignal): void;
  /** Everything registered, for operators; never on the path of a call. */
  listInstances(): Promise<readonly RegisteredInstance[]>;
  /**
   * The names of all services and what their instances have stated in meta under `ferry_grpc_services` (full gRPC
   * service names, comma-separated), now and after every change: what a gateway adds routes for.
   */
  watchServices(onChange: (services: ReadonlyMap<string, readonly string[]>) => void, signal: AbortSignal): void;
  /** Whether the registry itself is reachable, and since when not. */
  status(): { readonly ok: boolean; readonly detail: string };
  close(): Promise<void>;
}
