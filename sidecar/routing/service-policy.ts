// How calls to one service are treated, beyond where they go: the values of our own settings (`ferry_*`), with their
// defaults filled in. Made by compile-snapshot.ts, read by the route table. Plain data.

/** When an endpoint is taken out of rotation for its failures, and for how long. */
export interface EjectionPolicy {
  /** Failures in a row that eject an endpoint; 0 never ejects. */
  readonly consecutiveFailures: number;
  /** The first ejection's length; each further one doubles it. */
  readonly baseMs: number;
  /** No ejection is longer. */
  readonly maxMs: number;
}

export interface ServicePolicy {
  /** Tries after the first, for calls of idempotent methods; 0 for none. */
  readonly retries: number;
  /** Cap on a unary call's time, retries included; 0 for none. Does not touch streams. */
  readonly requestTimeoutMs: number;
  readonly ejection: EjectionPolicy;
}

export const defaultPolicy: ServicePolicy = {
  retries: 1,
  requestTimeoutMs: 0,
  ejection: { consecutiveFailures: 5, baseMs: 1_000, maxMs: 60_000 },
};
