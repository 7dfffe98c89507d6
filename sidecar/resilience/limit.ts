// The limit on calls to one service, as one worker of a caller's sidecar keeps it: ferry_max_calls under way,
// ferry_max_pending waiting. Sits inside route, which knows the service, and outside retry: a call takes one place
// however often it is tried. Guarantees: a call that is refused was never sent; a wait ends at the deadline.
//
// Hot: default-on. A call that finds a place costs a compare and an addition, and the same at its end.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { Call, Reply, RoutedCall } from "../call.ts";
import { noteDecision } from "../decision.ts";
import { PendingReply, type ReplyWaiter } from "../pending-reply.ts";
import type { Route } from "../routing/route-table.ts";
import type { Layer, Service } from "../stack.ts";
import { Places, type Wait } from "./limit-places.ts";
import { overloaded } from "./limit-refusal.ts";

/** The places of one service. It waits for replies itself: a place is freed when the reply has ended, or none came. */
export class CallLimit implements ReplyWaiter {
  readonly name: string;
  readonly places: Places;

  constructor(name: string, limit: number) {
    this.name = name;
    this.places = new Places(limit);
  }

  replied(reply: Reply): void {
    reply.onEnd(this.places.leave);
  }

  failed(): void {
    this.places.leave();
  }
}

/** The places of every service that calls go to. They outlive snapshots, so that calls under way keep counting. */
export class CallLimits {
  readonly #byService = new Map<string, CallLimit>();
  #byRoute = new WeakMap<Route, CallLimit>();

  of(route: Route): CallLimit {
    let limit = this.#byRoute.get(route);
    if (limit === undefined) {
      limit = this.#byService.get(route.service);
      if (limit === undefined) {
        limit = new CallLimit(route.service, route.policy.limit.maxCalls);
        this.#byService.set(route.service, limit);
      }
      this.#byRoute.set(route, limit);
    }
    return limit;
  }

  /** Forgets every service that is not among `services` and has no call under way. */
  retain(services: ReadonlySet<string>): void {
    for (const [name, { places }] of this.#byService) {
      if (!services.has(name) && places.inFlight === 0 && places.pending === 0) this.#byService.delete(name);
    }
    this.#byRoute = new WeakMap();
  }

  /** For metrics. */
  all(): Iterable<CallLimit> {
    return this.#byService.values();
  }
}

export interface LimitDeps {
  readonly limits: CallLimits;
  readonly clock: Clock;
  readonly random: Random;
}

export function limit(deps: LimitDeps): Layer<RoutedCall> {
  const { limits } = deps;
  return (next) =>
    function limit(routed) {
      const own = limits.of(routed.route);
      const { maxCalls, maxPending } = routed.route.policy.limit;
      const { places } = own;
      if (maxCalls !== places.limit) places.setLimit(maxCalls);
      if (!places.tryEnter(routed.call.priority)) {
        const place = waitForPlace(routed.call, { ...deps, own, maxPending });
        return PendingReply.from(place.then(() => counted(next, routed, own)));
      }
      return counted(next, routed, own);
    };
}

/** The reply to a call that has a place, which is freed when the reply has ended. */
export function counted<C>(next: Service<C>, call: C, own: CallLimit): PendingReply {
  let pending: PendingReply;
  try {
    pending = next(call);
  } catch (error) {
    own.places.leave();
    throw error;
  }
  pending.tell(own);
  return pending;
}

export interface WaitDeps extends Pick<LimitDeps, "clock" | "random"> {
  readonly own: CallLimit;
  readonly maxPending: number;
}

/** Resolves with a place taken; rejects when there is none to be had, or when the call was given up first. */
export function waitForPlace(call: Call, { own, maxPending, clock, random }: WaitDeps): Promise<void> {
  const { name, places } = own;
  const refusal = () => overloaded({ call, places, where: name, nowMs: clock.nowMs(), random });
  const wait: Wait | undefined = places.wait(call.priority, maxPending, refusal);
  if (wait === undefined) return Promise.reject(refusal());
  noteDecision(call, "queued", clock.nowMs(), `${places.inFlight} of ${places.limit} places of ${name} are taken`);
  call.onCancel(wait.giveUp);
  return wait.place;
}
