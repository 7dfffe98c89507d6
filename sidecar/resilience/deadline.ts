// Deadlines: a caller's `grpc-timeout` is always honoured. When it passes, the caller gets DEADLINE_EXCEEDED and
// whatever is under way further in is cancelled. Sits outside of everything that may wait, so that no wait outlives it.
// The remaining time that the next hop gets is written by outgoing-fields.ts.

import type { Clock, Timer } from "../../common/clock.ts";
import type { Call, Reply, RoutedCall } from "../call.ts";
import { ProxyFailure } from "../failure.ts";
import { PendingReply, type ReplyWaiter } from "../pending-reply.ts";
import type { Layer } from "../stack.ts";

/** `where`: who is late, for the message, asked when the deadline passes. */
export function deadline(clock: Clock, where: (call: Call) => string): Layer<Call> {
  return (next) =>
    function deadline(call) {
      const atMs = call.deadlineAtMs;
      if (atMs === Number.POSITIVE_INFINITY) return orCancelled(next(call), call);
      if (Number.isNaN(atMs)) {
        const sentence = "grpc-timeout is malformed; expected 1 to 8 digits and one of H M S m u n";
        return PendingReply.withError(new ProxyFailure("bad_request", "", sentence));
      }
      const leftMs = atMs - clock.nowMs();
      if (leftMs <= 0) return PendingReply.withError(late(call, atMs, where));
      const timer = cancelAfter(clock, leftMs, () => call.cancel(late(call, atMs, where)));
      return orCancelled(next(call), call, timer);
    };
}

/** A route may allow less time than the caller does. Sits inside route, where that is known. */
export function capDeadline(clock: Clock, where: (call: Call) => string): Layer<RoutedCall> {
  return (next) =>
    function capDeadline(routed) {
      const { call, deadlineAtMs } = routed;
      if (deadlineAtMs === call.deadlineAtMs) return next(routed);
      const leftMs = deadlineAtMs - clock.nowMs();
      // The call waited for its route, and the cap counts from when it came.
      if (leftMs <= 0) return PendingReply.withError(late(call, deadlineAtMs, where));
      const timer = cancelAfter(clock, leftMs, () => call.cancel(late(call, deadlineAtMs, where)));
      const pending = next(routed);
      const cancel = () => timer.cancel();
      pending.tell({ replied: (reply) => reply.onEnd(cancel), failed: cancel });
      return pending;
    };
}

/** The reply, or the reason of a cancellation that came first. At the end of either `timer` is cancelled. */
function orCancelled(coming: PendingReply, call: Call, timer?: Timer): PendingReply {
  const bounded = new BoundedCall(timer);
  call.onCancel((failure) => bounded.pending.failed(failure));
  coming.tell(bounded);
  return bounded.pending;
}

class BoundedCall implements ReplyWaiter {
  readonly pending = new PendingReply();
  readonly #timer: Timer | undefined;

  constructor(timer: Timer | undefined) {
    this.#timer = timer;
  }

  replied(reply: Reply): void {
    const timer = this.#timer;
    if (timer !== undefined) reply.onEnd(() => timer.cancel());
    this.pending.replied(reply);
  }

  failed(error: unknown): void {
    this.#timer?.cancel();
    this.pending.failed(error);
  }
}

/** A timer of Node's holds 31 bits; grpc-timeout can say 11,000 years. A deadline further off than 24 days is none. */
const maxTimerMs = 2 ** 31 - 1;

function cancelAfter(clock: Clock, leftMs: number, cancel: () => void): Timer {
  return leftMs > maxTimerMs ? noTimer : clock.after(leftMs, cancel);
}

const noTimer: Timer = { cancel() {} };

function late(call: Call, deadlineAtMs: number, where: (call: Call) => string): ProxyFailure {
  const allowedMs = Math.round(deadlineAtMs - call.receivedAtMs);
  return new ProxyFailure("deadline_exceeded", where(call), `no complete reply within ${allowedMs} ms`);
}
