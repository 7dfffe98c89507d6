// What the admin server shows, as functions that return plain data: the server knows nothing of the rest of the
// sidecar, and with several workers the composition root answers for all of them. Every function is asked per request
// and never on the path of a call.

import type { Snapshot } from "../routing/snapshot.ts";
import type { FamilySnapshot } from "../telemetry/metric-snapshot.ts";

export interface AdminSource {
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
