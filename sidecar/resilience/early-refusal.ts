// Refuses a unary call whose remaining time is shorter than the median of its method: it would most likely end at its
// deadline, with the upstream's work wasted. Sits inside limit, whose queue may take of the time, and outside retry.
// Guarantees: of the calls of a method at most one in five is refused, in any stretch of them, so that the others show
// when a slow spell is over; a refused call is no observation. By default it only notes what it would refuse. Also
// where the method's latency window is put into the call's notes, for retry, hedge and the recorder. Per worker.
// (Finagle's DeadlineFilter)

import type { Clock } from "../../common/clock.ts";
import type { MethodLatency, RoutedCall } from "../call.ts";
import { noteDecision } from "../decision.ts";
import { ProxyFailure } from "../failure.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Layer } from "../stack.ts";
import type { LatencyWindows } from "./latency-windows.ts";

/** So many calls of a method pass between two that are refused: 20 %. */
const passesPerRefusal = 4;

export function earlyRefusal(windows: LatencyWindows, clock: Clock): Layer<RoutedCall> {
  /** Calls that passed since the last refusal; only of methods for which refusal is switched on. */
  const passed = new WeakMap<MethodLatency, number>();

  return (next) =>
    function earlyRefusal(routed) {
      // A stream's time is not known beforehand, nor is that of a method nobody described.
      if (routed.candidates.traits?.kind !== "unary") return next(routed);
      const { call, route, deadlineAtMs } = routed;
      const nowMs = clock.nowMs();
      const latency = windows.of(route.service, call.path, nowMs);
      if (latency === undefined) return next(routed);
      call.notes.latency = latency;
      call.notes.triedAtMs = nowMs;
      const mode = route.policy.deadline.earlyRefusal;
      if (mode === "off") return next(routed);
      const expectedMs = deadlineAtMs === Number.POSITIVE_INFINITY ? undefined : latency.percentileMs(50, nowMs);
      const isTooLate = expectedMs !== undefined && deadlineAtMs - nowMs < expectedMs;
      if (mode === "on") {
        const passes = passed.get(latency) ?? 0;
        const isRefused = isTooLate && passes >= passesPerRefusal;
        passed.set(latency, isRefused ? 0 : Math.min(passes + 1, passesPerRefusal));
        if (isRefused) return PendingReply.withError(tooShort(route.service, deadlineAtMs - nowMs, expectedMs));
      }
      if (isTooLate) {
        const kind = mode === "on" ? "early_refusal_withheld" : "would_refuse_early";
        noteDecision(call, kind, nowMs, timesOf(deadlineAtMs - nowMs, expectedMs));
      }
      return next(routed);
    };
}

function tooShort(service: string, leftMs: number, medianMs: number): ProxyFailure {
  return new ProxyFailure("deadline_too_short", service, `not sent: ${timesOf(leftMs, medianMs)}`);
}

function timesOf(leftMs: number, medianMs: number): string {
  return `${leftMs.toFixed(1)} ms are left, half of the method's calls take over ${medianMs.toFixed(1)} ms`;
}
