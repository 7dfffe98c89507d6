// Sends a share of the calls to somebody else as well, for a look at how a new version does under real traffic: fire
// and forget. Sits inside route and fault, so that what is copied is what really goes on, and outside every limit and
// retry, so that a call is copied once and a copy takes no real call's place.
//
// Guarantees: the caller never waits for a copy nor sees its end, whatever becomes of it; a copy begins when its
// request is whole, in a turn of its own; at most `maxCalls` are under way to a target; a copy is never copied again;
// only methods for which a second execution is harmless are copied, unless the policy says all. Conversations (bidi
// streams) are never copied: the caller answers to the real side.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { RoutedCall } from "../call.ts";
import { noteDecision } from "../decision.ts";
import { fieldValue } from "../http2/header-field.ts";
import type { PendingReply } from "../pending-reply.ts";
import type { MirrorPolicy, MirrorTarget } from "../routing/policy/mirror-policy.ts";
import type { Layer, Service } from "../stack.ts";
import { CopiedBody } from "./mirror-body.ts";
import type { MirrorPlaces } from "./mirror-places.ts";

/** What every copy bears, so that the receiving side can tell. */
export const mirrorField = "x-ferry-mirror";

/**
 * What became of a copy. `ok`, `error`: the target answered with OK, with another status. `failed`: no answer, or none
 * in time. `no_endpoint`: the target has no healthy instance. `unknown_target`: nothing is known of the target (yet),
 * or its chain does not name the subset. `full`: too many are under way. `too_long`: the request is longer than what is
 * kept of one. `cut`: the call ended before its request did.
 */
export type MirrorResult = "ok" | "error" | "failed" | "no_endpoint" | "unknown_target" | "full" | "too_long" | "cut";

export interface MirrorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly places: MirrorPlaces;
  /** Bytes of a request kept for its copy. */
  readonly maxBodyBytes: number;
  /** Sends a copy of the call with this body (undefined: it has none) and resolves when its reply has ended. */
  send(routed: RoutedCall, target: MirrorTarget, body: Buffer | undefined): Promise<MirrorResult>;
  /** Told once for each call that was chosen. */
  onMirrored(routed: RoutedCall, target: MirrorTarget, result: MirrorResult): void;
}

export function mirror(deps: MirrorDeps): Layer<RoutedCall> {
  return (next) =>
    function mirror(routed) {
      const { target } = routed.route.policy.mirror;
      if (target === undefined || !isChosen(routed, target, deps.random)) return next(routed);
      return mirrored(routed, target, { next, deps });
    };
}

function isChosen({ call, route, candidates }: RoutedCall, target: MirrorTarget, random: Random): boolean {
  const { methods }: MirrorPolicy = route.policy.mirror;
  return (
    (methods === "all" || route.isIdempotent) &&
    candidates.traits?.kind !== "bidi_streaming" &&
    // A copy to where the call goes anyway shows nothing and doubles the load there.
    !(target.subset !== "" && target.subset === route.subset && target.service === route.service) &&
    random() * 100 < target.percent &&
    fieldValue(call.fields, mirrorField) === undefined
  );
}

function mirrored(
  routed: RoutedCall,
  target: MirrorTarget,
  { next, deps }: { readonly next: Service<RoutedCall>; readonly deps: MirrorDeps },
): PendingReply {
  const { clock, places } = deps;
  if (!places.take(target, routed.route.policy.mirror.maxCalls)) {
    deps.onMirrored(routed, target, "full");
    return next(routed);
  }
  noteDecision(routed.call, "mirror", clock.nowMs(), `a copy for ${target.name}`);
  const end = (result: MirrorResult) => {
    places.giveBack(target);
    deps.onMirrored(routed, target, result);
  };
  const send = (body: Buffer | undefined) => {
    // In a turn of its own: what the caller's side has written leaves first.
    clock.after(0, () => {
      deps.send(routed, target, body).then(end, () => end("failed"));
    });
  };
  if (routed.call.endsWithHead) {
    const reply = next(routed);
    send(undefined);
    return reply;
  }
  const body = new CopiedBody(routed.body, deps.maxBodyBytes, { whole: send, lost: end });
  const reply = next({ ...routed, body });
  const stop = () => body.stop();
  reply.tell({ replied: (headed) => headed.onEnd(stop), failed: stop });
  return reply;
}
