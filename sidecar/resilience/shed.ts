// A hard limit on calls under way, so that an overload is refused at once instead of growing until memory ends. Sits
// outside of everything that costs. Priorities count here as they do at every limit. Per worker.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { Call } from "../call.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Layer } from "../stack.ts";
import { CallLimit, counted } from "./limit.ts";
import { overloaded } from "./limit-refusal.ts";

export interface ShedDeps {
  readonly clock: Clock;
  readonly random: Random;
}

export function shed(maxCallsInFlight: number, { clock, random }: ShedDeps): Layer<Call> {
  const own = new CallLimit("", maxCallsInFlight);
  const { places } = own;
  return (next) =>
    function shed(call) {
      if (!places.tryEnter(call.priority)) {
        return PendingReply.withError(overloaded({ call, places, where: "", nowMs: clock.nowMs(), random }));
      }
      return counted(next, call, own);
    };
}
