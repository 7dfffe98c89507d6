// What carries calls, as the rest of a sidecar sees it: the control part tells it what is in force, opens its
// entrances and reads how it is. Two things are one: the data plane in this process (local-data-part.ts), and N workers
// behind one set of ports (worker/worker-set.ts). What goes in is plain data, so that it may go to another process.
// Types only.

import type { Address } from "../common/settings.ts";
import type { AdminEndpoint, AdminWorker } from "./admin/admin-source.ts";
import type { DataPlaneParams } from "./data-plane.ts";
import type { EdgeFacts } from "./gateway-edge.ts";
import type { RequestSender } from "./http2/request-sender.ts";
import type { ObservationParams } from "./observation.ts";
import type { ServicePolicy } from "./routing/policy/call-policy.ts";
import type { Snapshot } from "./routing/snapshot.ts";
import type { FamilySnapshot } from "./telemetry/metric-snapshot.ts";
import type { TlsListenOptions } from "./transport/tls-accept.ts";
import type { DialMaterial, TlsMaterial } from "./transport/tls-material.ts";

/** What does not change while it lives. Plain data. */
export interface DataPartParams {
  readonly plane: DataPlaneParams;
  readonly observation: ObservationParams;
  /** The share of traces that begin here and are recorded; nobody sees them without a collector. */
  readonly sampleRatio: number;
  /** A gateway's virtual service: what it answers itself, and where calls go that name no other. */
  readonly edgeService?: string;
  /** The ways out take no x-ferry-* fields from callers. */
  readonly stripsControlFields?: boolean;
  /** What TLS begins with; `listenerTls` and `upstreamTls` of ControlUpdate replace the material. */
  readonly listenerTls?: Omit<TlsListenOptions, "source"> & { readonly material: TlsMaterial };
  readonly upstreamTls?: { readonly material: DialMaterial; readonly serverName?: string };
}

/** What the control part puts in force, for the next call or connection. Plain data. */
export type ControlUpdate =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  /** The settings of our own service. */
  | { readonly kind: "policy"; readonly policy: ServicePolicy }
  /** The application's methods: what metrics may name. */
  | { readonly kind: "ownMethods"; readonly paths: readonly string[] }
  /** The facts that changed. */
  | { readonly kind: "edge"; readonly facts: Partial<EdgeFacts> }
  | { readonly kind: "listenerTls"; readonly material: TlsMaterial }
  | { readonly kind: "upstreamTls"; readonly material: DialMaterial };

/** A port that calls come in by. Plain data. */
export type EntranceParams =
  | { readonly way: "inbound"; readonly at: Address; readonly app: Address; readonly appName: string }
  /** `upstream`: the one it is for; absent: each call names its own (a gateway: or none). */
  | { readonly way: "outbound"; readonly at: Address; readonly upstream?: string };

export interface Entrance {
  readonly host: string;
  readonly port: number;
  /** Open now. */
  readonly connections: number;
  /** Stops accepting, tells all connections to go away, and resolves when they have. */
  drain(params: DrainParams): Promise<void>;
}

export interface DrainParams {
  /** Calls that are not over then end with a status that says so. */
  readonly graceMs: number;
  /** Aborted by whoever does not want to wait any longer. */
  readonly hurry: AbortSignal;
}

export interface DataPart {
  apply(update: ControlUpdate): void;
  /** Rejects with the operating system's error when it cannot listen. */
  open(params: EntranceParams): Promise<Entrance>;
  /** For calls of the sidecar's own: health probes, reflection. */
  readonly sender: RequestSender;
  /** Those in force. */
  snapshots(): readonly Snapshot[];
  /** Gets what other processes hold, so that the readings below are of now: `state` is all but metrics. */
  refresh(what: "state" | "metrics"): Promise<void>;
  metrics(): readonly FamilySnapshot[];
  endpoints(): readonly AdminEndpoint[];
  workers(): readonly AdminWorker[];
  /** Calls under way, both directions. */
  readonly callsInFlight: number;
  /** Ends what is left, at once. */
  close(): Promise<void>;
}
