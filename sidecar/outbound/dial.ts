// The end of the outbound stack: sends a try to the endpoint that balance chose.

import type { Clock } from "../../common/clock.ts";
import type { EndpointCall } from "../call.ts";
import { HeaderField } from "../http2/header-field.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { outgoingFields } from "../outgoing-fields.ts";
import { sendRequest } from "../send-request.ts";
import type { Service } from "../stack.ts";

/** `service`: who calls, as the next sidecar is told; undefined: nobody says. */
export function dial(sender: RequestSender, clock: Clock, service?: string): Service<EndpointCall> {
  const source = service === undefined ? undefined : new HeaderField("x-ferry-source", service);
  return function dial({ routed, endpoint, chosenAtMs }) {
    const { call, route } = routed;
    const request = {
      host: endpoint.host,
      port: endpoint.port,
      connectTimeoutMs: route.connectTimeoutMs,
      fields: outgoingFields({
        call,
        attempt: routed.attempt,
        leftMs: routed.deadlineAtMs - chosenAtMs,
        changes: route.requestHeaders,
        source,
      }),
      body: call.endsWithHead ? undefined : routed.body,
      clock,
    };
    return sendRequest(sender, call, request, routed.cancel);
  };
}
