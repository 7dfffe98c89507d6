// How the answers of an application's health checks become its health. Pure: (state, probe) -> state. At the start one
// success is enough; later two failures in a row take traffic away, so that one slow answer does not, and one success
// brings it back. What is certain (NOT_SERVING, connection refused) needs no second time.
//
// What counts as healthy: SERVING, and any server that does not know the health service, because it was reachable.

export type ProbeResult =
  | { readonly kind: "serving" }
  /** The application says so itself: believed at once. */
  | { readonly kind: "not_serving"; readonly detail: string }
  /** No health service there; a gRPC server answered all the same. */
  | { readonly kind: "unimplemented" }
  /** Nobody listens there: no call could succeed, so this is believed at once too. */
  | { readonly kind: "refused"; readonly detail: string }
  /** No answer in time, a broken connection, an error: may be an accident. */
  | { readonly kind: "failed"; readonly detail: string };

export interface HealthState {
  readonly health: "passing" | "critical";
  /** Why it is not passing, or empty. */
  readonly note: string;
  /** Failures since the last success. */
  readonly failures: number;
  /** No probe has succeeded yet. */
  readonly isNew: boolean;
}

export const initialHealth: HealthState = {
  health: "critical",
  note: "no health check has passed yet",
  failures: 0,
  isNew: true,
};

/** Failures in a row that make a passing application critical. */
const failuresBeforeCritical = 2;

export function nextHealth(state: HealthState, probe: ProbeResult): HealthState {
  if (probe.kind === "serving" || probe.kind === "unimplemented") {
    return state.health === "passing" && state.failures === 0
      ? state
      : { health: "passing", note: "", failures: 0, isNew: false };
  }
  const failures = state.failures + 1;
  const isCertain = probe.kind === "not_serving" || probe.kind === "refused";
  if (state.health === "passing" && !isCertain && failures < failuresBeforeCritical) return { ...state, failures };
  return { health: "critical", note: probe.detail, failures, isNew: state.isNew };
}
