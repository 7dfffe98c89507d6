// An ended call for tests of recorders.

import type { Outcome } from "../../call.ts";
import type { Decision } from "../../decision.ts";
import type { Endpoint } from "../../discovery/registry.ts";
import { emptyBody } from "../../http2/body.ts";
import { HeaderField } from "../../http2/header-field.ts";
import { ReceivedCall } from "../../received-call.ts";
import { defaultCallPolicy } from "../../routing/policy/call-policy.ts";
import type { Route } from "../../routing/route-table.ts";
import type { EndedCall } from "../record.ts";

export const getQuote = "/quoter.query.v1.QuoteQueryService/GetQuote";

export const route: Route = {
  upstream: "quoter",
  service: "quote-query",
  subset: "v1",
  timeoutMs: Number.POSITIVE_INFINITY,
  connectTimeoutMs: 1000,
  balancer: { kind: "peak_ewma" },
  policy: defaultCallPolicy,
  isIdempotent: true,
  requestHeaders: [],
  responseHeaders: [],
  explanation: "router quoter[0] > v1",
};

export const endpoint: Endpoint = {
  id: "quote-query-1",
  service: "quote-query",
  version: "v1",
  host: "127.0.0.1",
  port: 7001,
  weight: 1,
  health: "passing",
  meta: {},
};

export interface EndedCallInit {
  readonly direction?: EndedCall["direction"];
  readonly path?: string;
  readonly outcome?: Outcome;
  readonly durationMs?: number;
  readonly traceparent?: string;
  readonly route?: Route;
  readonly attempts?: number;
  readonly decisions?: readonly Decision[];
}

export function endedCall(init: EndedCallInit = {}): EndedCall {
  const header = { ":path": init.path ?? getQuote, ":authority": "quoter", "x-request-id": "r-1" };
  const fields = Object.entries(header).map(([name, value]) => new HeaderField(name, value));
  if (init.traceparent !== undefined) fields.push(new HeaderField("traceparent", init.traceparent));
  const call = new ReceivedCall(
    { fields, body: emptyBody, endsWithHead: true, peer: undefined },
    { nowMs: () => 0, randomHex: (bytes) => "b7".repeat(bytes), sampleNew: () => false },
  );
  call.notes.route = init.route;
  if (init.route !== undefined) call.notes.endpoint = endpoint;
  call.notes.attempts = init.attempts ?? 1;
  if (init.decisions !== undefined) call.notes.decisions = [...init.decisions];
  const outcome = init.outcome ?? { status: 0, httpStatus: 200, failure: undefined };
  return { direction: init.direction ?? "outbound", call, outcome, durationMs: init.durationMs ?? 2 };
}
