// The adaptive limit's layer: each method for which it is on has places of its own, which follow its latency. Sits
// outside of the limit for the whole application. Latency is the time to the reply's header, so that the length of a
// stream says nothing; only calls that succeed count, because what fails fast is no measure, and those that nobody
// waited for any longer.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { asFailure } from "../as-failure.ts";
import type { Call, Reply } from "../call.ts";
import { Status } from "../grpc/status.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Layer, Service } from "../stack.ts";
import type { AdaptivePlaces } from "./adaptive-places.ts";
import { waitForPlace } from "./limit.ts";

export interface AdaptiveLimitDeps {
  /** The places of a path's method; undefined: it has no adaptive limit. */
  placesOf(path: string): AdaptivePlaces | undefined;
  maxPending(): number;
  readonly clock: Clock;
  readonly random: Random;
}

export function adaptiveLimit(deps: AdaptiveLimitDeps): Layer<Call> {
  const { clock, random } = deps;
  return (next) =>
    function adaptiveLimit(call) {
      const adaptive = deps.placesOf(call.path);
      if (adaptive === undefined) return next(call);
      const { own } = adaptive;
      if (own.places.tryEnter(call.priority)) return PendingReply.from(measured(next, call, adaptive, clock));
      const place = waitForPlace(call, { own, maxPending: deps.maxPending(), clock, random });
      return PendingReply.from(place.then(() => measured(next, call, adaptive, clock)));
    };
}

async function measured(next: Service<Call>, call: Call, adaptive: AdaptivePlaces, clock: Clock): Promise<Reply> {
  const startedAtMs = clock.nowMs();
  adaptive.entered();
  try {
    const reply = await next(call);
    const latencyMs = clock.nowMs() - startedAtMs;
    reply.onEnd(({ status }) => {
      adaptive.own.places.leave();
      if (status === Status.OK) adaptive.observe(startedAtMs, latencyMs);
    });
    return reply;
  } catch (error) {
    adaptive.own.places.leave();
    const { kind } = asFailure(error, call);
    if (kind === "deadline_exceeded") adaptive.observe(startedAtMs, clock.nowMs() - startedAtMs);
    throw error;
  }
}
