// What the admin server shows, as functions that return plain data: the server knows nothing of the rest of the
// sidecar, and what several workers hold is shown as one. Every function is asked per request and never on the path of
// a call.

import type { Snapshot } from "../routing/snapshot.ts";
import type { FamilySnapshot } from "../telemetry/metric-snapshot.ts";

export interface AdminSource {
  /** Awaited before anything below is asked for, but for liveness and readiness; `state` is all but metrics. */
  refresh(what: "state" | "metrics"): Promise<void>;
  status(): AdminStatus;
  config(): AdminConfig;
  endpoints(): readonly AdminEndpoint[];
  /** The settings in force, without secrets. */
  settings(): Readonly<Record<string, unknown>>;
  metrics(): readonly FamilySnapshot[];
}

/** Fields as in ferry.admin.v1.GetStatusResponse. */
export interface AdminStatus {
  readonly service: string;
  readonly instanceId: string;
  readonly version: string;
  readonly role: "sidecar" | "gateway";
  readonly state: "starting" | "ready" | "draining";
  readonly appHealth: "passing" | "critical" | "unknown";
  /** Why `state` is not ready; empty when it is. */
  readonly reason: string;
  /** `host:port`, or empty. */
  readonly inbound: string;
  readonly outbound: string;
  readonly pid: number;
  readonly callsInFlight: number;
}

export interface AdminConfig {
  /** Of the entries in force. */
  readonly hash: string;
  readonly rejected: readonly {
    readonly file: string;
    readonly path: string;
    readonly expected: string;
    readonly found: string;
    readonly suggestion: string;
  }[];
  readonly snapshots: readonly Snapshot[];
  /** Processes that carry calls; one when the sidecar does so itself. */
  readonly workers: readonly AdminWorker[];
}

export interface AdminWorker {
  readonly pid: number;
  readonly state: "starting" | "ready";
  /** That came in. */
  readonly connections: number;
  readonly callsInFlight: number;
}

/** Fields as in ferry.admin.v1.EndpointState. */
export interface AdminEndpoint {
  readonly upstream: string;
  readonly target: string;
  readonly instanceId: string;
  readonly address: string;
  readonly version: string;
  readonly health: "passing" | "warning" | "critical";
  /** `admitted`, `probing` or `ejected`; behind `admitted; ` the methods that are out by themselves. */
  readonly admission: string;
  readonly active: number;
}
