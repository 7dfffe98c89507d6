// What callers have without a mesh, as a layer in the place of retry, hedge, balance and gate: each try goes to the
// next instance in turn, and a call that failed is sent again at once, whatever the failure, so many times as are
// allowed. Nothing is remembered from one call to the next but whose turn it is.

import type { Clock } from "../../common/clock.ts";
import type { EndpointCall, Reply, RoutedCall } from "../../sidecar/call.ts";
import type { BodySource } from "../../sidecar/http2/body.ts";
import { noFields } from "../../sidecar/http2/header-field.ts";
import { PendingReply } from "../../sidecar/pending-reply.ts";
import type { Layer, Service } from "../../sidecar/stack.ts";
import type { Answer } from "./modelled-reply.ts";
import { readReply, statusOf } from "./simulated-call.ts";

/** `retries`: tries after the first; `clock`: the sidecar's. */
export function plainTries(retries: number, clock: Clock): Layer<RoutedCall, EndpointCall> {
  let turn = 0;
  return (next) =>
    function plainTries(routed) {
      return PendingReply.from(tryInTurn(routed, next));
    };

  async function tryInTurn(routed: RoutedCall, next: Service<EndpointCall>): Promise<Reply> {
    const endpoints = routed.candidates.targets[0]!.endpoints;
    for (let attempt = 1; ; attempt++) {
      const endpoint = endpoints[turn++ % endpoints.length]!;
      routed.call.notes.endpoint = endpoint;
      routed.call.notes.attempts = attempt;
      const isLast = attempt > retries || routed.call.cancelled !== undefined;
      try {
        const answer = await readReply(await next({ routed, endpoint, chosenAtMs: clock.nowMs() }));
        if (isLast || statusOf(answer) === 0) return replyOf(answer, statusOf(answer));
      } catch (error) {
        if (isLast || routed.call.cancelled !== undefined) throw error;
      }
    }
  }
}

function replyOf({ head, message, trailers }: Answer, status: number): Reply {
  const body: BodySource = {
    attach(sink) {
      if (message !== undefined) sink.data(message, false);
      sink.trailers(trailers ?? noFields);
    },
    grant() {},
    cancel() {},
  };
  const outcome = { status, httpStatus: 200, failure: undefined };
  return { fields: head, endsWithHead: trailers === undefined, body, onEnd: (listener) => listener(outcome) };
}
