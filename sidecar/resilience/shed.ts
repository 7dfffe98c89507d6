// A hard limit on calls under way, so that an overload is refused at once instead of growing until memory ends. Sits
// outside of everything that costs. Per worker.

import type { Call } from "../call.ts";
import { ProxyFailure } from "../failure.ts";
import type { Layer } from "../stack.ts";

export function shed(maxCallsInFlight: number): Layer<Call> {
  let inFlight = 0;
  return (next) =>
    async function shed(call) {
      if (inFlight >= maxCallsInFlight) {
        throw new ProxyFailure("overloaded", "", `${inFlight} calls are under way, the limit is ${maxCallsInFlight}`);
      }
      inFlight++;
      try {
        const reply = await next(call);
        reply.onEnd(() => inFlight--);
        return reply;
      } catch (error) {
        inFlight--;
        throw error;
      }
    };
}
