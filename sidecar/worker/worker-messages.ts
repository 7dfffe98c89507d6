// What the control part and a worker say to each other, over the channel that Node's fork gives them; sockets travel
// beside their message. All is plain data and is structured-cloned. Order is kept: what is in force is there before the
// connection that is sent after it. Nothing here happens per call.

import type { JsonLog, LogFields } from "../../common/json-log.ts";
import type { AdminEndpoint } from "../admin/admin-source.ts";
import type { ControlUpdate, DataPartParams, EntranceParams } from "../data-part.ts";
import type { FamilySnapshot } from "../telemetry/metric-snapshot.ts";

export type ToWorker =
  /** First and once; answered by `ready` or `failed`. */
  | {
      readonly kind: "start";
      readonly params: DataPartParams;
      readonly updates: readonly ControlUpdate[];
      readonly entrances: readonly NumberedEntrance[];
    }
  | { readonly kind: "update"; readonly update: ControlUpdate }
  | ({ readonly kind: "open" } & NumberedEntrance)
  /** A socket comes with it; answered by `closed` when it is. */
  | { readonly kind: "connection"; readonly entrance: number; readonly id: number }
  /** Answered by `drained`. */
  | { readonly kind: "drain"; readonly entrance: number; readonly graceMs: number }
  /** Drains that are under way, and later ones, wait for nobody. */
  | { readonly kind: "hurry" }
  /** So many connections are to be told to go away. */
  | { readonly kind: "retire"; readonly count: number }
  /** Answered by `reading`. */
  | { readonly kind: "read"; readonly what: ReadingKind }
  /** Ends at once. */
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "want"; readonly upstream: string }
  /** `leaving`: as in WorkerReading. */
  | { readonly kind: "closed"; readonly id: number; readonly leaving: number }
  | { readonly kind: "drained"; readonly entrance: number }
  | ({ readonly kind: "reading" } & WorkerReading)
  | { readonly kind: "log"; readonly level: keyof JsonLog; readonly message: string; readonly fields: LogFields };

/** `totals`: of metrics those that must not go backwards when the worker dies; `metrics`: all of them. */
export type ReadingKind = "totals" | "state" | "metrics";

export interface WorkerReading {
  readonly what: ReadingKind;
  readonly metrics: readonly FamilySnapshot[];
  readonly endpoints: readonly AdminEndpoint[];
  readonly callsInFlight: number;
  /** Told to go away and still open. */
  readonly leaving: number;
}

export interface NumberedEntrance {
  readonly entrance: number;
  readonly params: EntranceParams;
}
