// The limit on calls under way in the application, as one worker of its sidecar keeps it: ferry_inbound_max_calls, and
// ferry_inbound_max_pending that wait. Sits inside deadline, because it may wait, and innermost: a place is a place in
// the application.
//
// Hot: default-on. A call that finds a place costs a compare and an addition, and the same at its end.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { Call } from "../call.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Layer } from "../stack.ts";
import { type CallLimit, counted, waitForPlace } from "./limit.ts";

export interface InboundLimitDeps {
  /** Whose limit the owner keeps up to date. */
  readonly own: CallLimit;
  maxPending(): number;
  readonly clock: Clock;
  readonly random: Random;
}

export function inboundLimit(deps: InboundLimitDeps): Layer<Call> {
  const { own, clock, random } = deps;
  const { places } = own;
  return (next) =>
    function inboundLimit(call) {
      if (!places.tryEnter(call.priority)) {
        if (!isHealthCheck(call.path)) {
          const maxPending = deps.maxPending();
          const place = waitForPlace(call, { own, maxPending, clock, random });
          return PendingReply.from(place.then(() => counted(next, call, own)));
        }
        places.enter();
      }
      return counted(next, call, own);
    };
}

/** An application that is busy is not ill: whoever asks for its health is never refused. */
export function isHealthCheck(path: string): boolean {
  return path.startsWith("/grpc.health.v1.Health/");
}
