// Checks the application beside the sidecar by grpc.health.v1 and tells when its health changes. The sidecar's control
// part feeds the registry with it. The verdicts are health-state.ts's; here is only the asking: one connection, made at
// the first check and closed at the end, one check at a time.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type Clock, systemClock, type Timer } from "../../common/clock.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { type HealthState, initialHealth, nextHealth, type ProbeResult } from "./health-state.ts";

export interface AppHealthOptions {
  /** Where the application listens. */
  readonly host: string;
  readonly port: number;
  /** From the end of one check to the next; FERRY_HEALTH_INTERVAL. */
  readonly intervalMs: number;
  /** FERRY_HEALTH_TIMEOUT. */
  readonly timeoutMs: number;
  readonly clock?: Clock;
  /** After every change of health or note; not for the state before the first check, which is critical. */
  readonly onChange: (state: HealthState) => void;
  /** Ends the checks and closes the connection. */
  readonly signal: AbortSignal;
  /** For tests: another way to ask. */
  readonly probe?: Probe;
}

/** Asks once; never rejects. */
export type Probe = () => Promise<ProbeResult>;

/** Until the first success the application is probably starting: look more often, so that start-up is quick. */
const startIntervalMs = 200;

export function watchAppHealth(options: AppHealthOptions): void {
  const { intervalMs, signal, onChange } = options;
  const clock = options.clock ?? systemClock;
  const probe = options.probe ?? grpcHealthProbe(options);
  let state = initialHealth;
  let timer: Timer | undefined;
  signal.addEventListener("abort", () => timer?.cancel(), { once: true });
  const check = async () => {
    const result = await probe();
    if (signal.aborted) return;
    const before = state;
    state = nextHealth(before, result);
    if (state.health !== before.health || state.note !== before.note) onChange(state);
    timer = clock.after(state.isNew ? Math.min(startIntervalMs, intervalMs) : intervalMs, () => void check());
  };
  if (!signal.aborted) void check();
}

/** `grpc.health.v1.Health/Check` of the server as a whole. */
export function grpcHealthProbe(options: Pick<AppHealthOptions, "host" | "port" | "timeoutMs" | "signal">): Probe {
  const { host, port, timeoutMs, signal } = options;
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const baseUrl = `http://${address}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  signal.addEventListener("abort", () => sessionManager.abort(), { once: true });
  const client = createClient(Health, createGrpcTransport({ baseUrl, sessionManager }));
  return async () => {
    try {
      const { status } = await client.check({ service: "" }, { timeoutMs, signal });
      if (status === ServingStatus.SERVING) return { kind: "serving" };
      return { kind: "not_serving", detail: `${address} says ${nameOf(status)}` };
    } catch (error) {
      return failureOf(ConnectError.from(error), address, timeoutMs);
    }
  };
}

function failureOf(error: ConnectError, address: string, timeoutMs: number): ProbeResult {
  // NOT_FOUND: there is a health service, but it has nothing to say of the server as a whole.
  if (error.code === Code.Unimplemented || error.code === Code.NotFound) return { kind: "unimplemented" };
  if (error.code === Code.DeadlineExceeded) {
    return { kind: "failed", detail: `${address}: no answer to a health check within ${timeoutMs} ms` };
  }
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  const isRefused = cause?.code === "ECONNREFUSED" || error.rawMessage.includes("ECONNREFUSED");
  if (isRefused) return { kind: "refused", detail: `${address}: connection refused` };
  return { kind: "failed", detail: `${address}: health check failed: ${error.rawMessage}` };
}

function nameOf(status: number): string {
  return Object.entries(ServingStatus).find(([, value]) => value === status)?.[0] ?? `status ${status}`;
}
