// The latency windows of all methods that calls go out to, by upstream service and method. One for a whole data plane,
// per worker; outlives snapshots. Only methods that descriptors name get one, so that paths made up by callers take no
// memory, and no more than `maxMethods` of them: the ones that nobody called for half a minute make room.

import type { Call, MethodLatency, Outcome } from "../call.ts";
import { Status } from "../grpc/status.ts";
import { LatencyWindow } from "./latency-window.ts";

/** 2 MiB at most. */
const maxMethods = 1_024;
/** Idle windows are looked for no more often than this. */
const sweepMs = 10_000;

export class LatencyWindows {
  readonly #byService = new Map<string, Map<string, LatencyWindow>>();
  #methods = 0;
  #sweepAtMs = Number.NEGATIVE_INFINITY;

  /** The window of `path` at `service`; undefined when there are too many methods in use. */
  of(service: string, path: string, nowMs: number): MethodLatency | undefined {
    return this.#byService.get(service)?.get(path) ?? this.#add(service, path, nowMs);
  }

  #add(service: string, path: string, nowMs: number): MethodLatency | undefined {
    if (this.#methods >= maxMethods && nowMs >= this.#sweepAtMs) {
      this.#sweepAtMs = nowMs + sweepMs;
      this.#sweep(nowMs);
    }
    if (this.#methods >= maxMethods) return undefined;
    let methods = this.#byService.get(service);
    if (methods === undefined) {
      methods = new Map();
      this.#byService.set(service, methods);
    }
    const window = new LatencyWindow();
    methods.set(path, window);
    this.#methods++;
    return window;
  }

  #sweep(nowMs: number): void {
    for (const [service, methods] of this.#byService) {
      for (const [path, window] of methods) {
        if (!window.isIdle(nowMs)) continue;
        methods.delete(path);
        this.#methods--;
      }
      if (methods.size === 0) this.#byService.delete(service);
    }
  }
}

/** A call that has ended, as the recording layer tells it. */
export interface TimedCall {
  readonly call: Call;
  readonly outcome: Outcome;
  readonly durationMs: number;
}

/**
 * For the recording layer: a call's time counts when the application answered it well and at the first go; one that was
 * tried again says more about our waits than about the method. A hedged call counts with the time its caller waited:
 * that is above the percentile exactly when its first try was, so that the percentile stays true.
 */
export function observeLatency({ call, outcome, durationMs }: TimedCall): void {
  const { notes } = call;
  if (notes.latency === undefined || outcome.status !== Status.OK || outcome.failure !== undefined) return;
  if (notes.attempts - notes.hedges > 1) return;
  const nowMs = call.receivedAtMs + durationMs;
  notes.latency.observe(nowMs - notes.triedAtMs, nowMs);
}

/** Whether one more try would probably end in time: half of the method's calls did. Unknown methods may try. */
export function mayFit(call: Call, leftMs: number, nowMs: number): boolean {
  return leftMs === Number.POSITIVE_INFINITY || leftMs >= (call.notes.latency?.percentileMs(50, nowMs) ?? 0);
}
