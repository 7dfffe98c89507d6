// The end of the inbound stack: the one application that this sidecar stands beside. No balancing and no retry: whoever
// called has other instances to turn to, and gets a failure that says whether the call can have run.

import type { Clock } from "../../common/clock.ts";
import type { Call } from "../call.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { outgoingFields } from "../outgoing-fields.ts";
import { sendRequest } from "../send-request.ts";
import type { Service } from "../stack.ts";

export interface AppAddress {
  readonly host: string;
  readonly port: number;
}

/** An application on this host answers a connect at once or not at all. */
const connectTimeoutMs = 1_000;

export function dialApp(sender: RequestSender, app: AppAddress, clock: Clock): Service<Call> {
  return function dialApp(call) {
    call.notes.attempts = 1;
    return sendRequest(sender, call, {
      host: app.host,
      port: app.port,
      connectTimeoutMs,
      fields: outgoingFields({ call, attempt: 1, leftMs: call.deadlineAtMs - clock.nowMs(), changes: [] }),
      body: call.endsWithHead ? undefined : call.body,
      clock,
    });
  };
}
