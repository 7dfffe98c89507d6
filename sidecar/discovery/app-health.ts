// Checks the application beside the sidecar by grpc.health.v1 and tells when its health changes. The sidecar's control
// part feeds the registry with it. The verdicts are health-state.ts's; here is only the asking, one check at a time.

import type { Clock, Timer } from "../../common/clock.ts";
import { formatAddress } from "../../common/settings.ts";
import { Status, statusName } from "../grpc/status.ts";
import { callUnary, type UnaryResult } from "../grpc/unary-call.ts";
import type { StreamError } from "../http2/error-code.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { type HealthState, initialHealth, nextHealth, type ProbeResult } from "./health-state.ts";

export interface AppHealthOptions {
  /** How to ask; grpcHealthProbe in the process. */
  readonly probe: Probe;
  /** From the end of one check to the next; FERRY_HEALTH_INTERVAL. */
  readonly intervalMs: number;
  readonly clock: Clock;
  /** After every change of health or note; not for the state before the first check, which is critical. */
  readonly onChange: (state: HealthState) => void;
  /** Ends the checks. */
  readonly signal: AbortSignal;
}

/** Asks once; never rejects. */
export type Probe = () => Promise<ProbeResult>;

/** Until the first success the application is probably starting: look more often, so that start-up is quick. */
const startIntervalMs = 200;

export function watchAppHealth(options: AppHealthOptions): void {
  const { probe, intervalMs, clock, signal, onChange } = options;
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

export interface GrpcHealthTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The pool that calls to the application go through: what is proved is what will be used. */
  readonly sender: RequestSender;
}

/** `grpc.health.v1.Health/Check` of the server as a whole. */
export function grpcHealthProbe({ host, port, timeoutMs, clock, sender }: GrpcHealthTarget): Probe {
  const address = formatAddress({ host, port });
  // An empty HealthCheckRequest is no bytes at all; of the answer only field 1, the status, is read. The protobuf
  // library would double this process's memory for that.
  const request = { host, port, path: checkPath, authority: address, message: new Uint8Array(0), timeoutMs };
  return async () => {
    const result = await callUnary(sender, clock, request);
    switch (result.kind) {
      case "timed_out":
        return { kind: "failed", detail: `${address}: no answer to a health check within ${timeoutMs} ms` };
      case "failed":
        return failureOf(result.error, address);
      case "answered":
        return answerOf(result, address);
    }
  };
}

const checkPath = "/grpc.health.v1.Health/Check";

function answerOf(answer: Extract<UnaryResult, { kind: "answered" }>, address: string): ProbeResult {
  const { status, text, message } = answer;
  // NOT_FOUND: there is a health service, but it has nothing to say of the server as a whole.
  if (status === Status.UNIMPLEMENTED || status === Status.NOT_FOUND) return { kind: "unimplemented" };
  if (status !== Status.OK) {
    return { kind: "failed", detail: `${address}: health check failed: ${statusName(status)} ${text}` };
  }
  const serving = message?.[0] === 0x08 ? (message[1] ?? 0) : 0;
  if (serving === 1) return { kind: "serving" };
  return { kind: "not_serving", detail: `${address} says ${servingNames[serving] ?? `status ${serving}`}` };
}

/** HealthCheckResponse.ServingStatus, by number. */
const servingNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

function failureOf(error: StreamError, address: string): ProbeResult {
  if (error.message.includes("ECONNREFUSED")) return { kind: "refused", detail: `${address}: connection refused` };
  return { kind: "failed", detail: `${address}: health check failed: ${error.message}` };
}
