// How many calls a service is given at a time and how fast: what the limit layers read, and the keys that set it. The
// sidecar of a caller reads `maxCalls` and `maxPending`; the sidecar beside the application reads the inbound ones.
//
// Nothing waits by default. 1024 calls under way are far more than an application works on at once: what is beyond that
// already waits inside it, and a queue in front of a queue only adds to the delay. Who sets a limit near what the
// application can do (or the adaptive one) sets a short queue with it, for bursts.

import { type RateLimit, rateLimit } from "./rate-limit-form.ts";
import { setting, type TopicSetting } from "./setting.ts";
import { integer, oneOf } from "./value-forms.ts";

export interface LimitPolicy {
  /** Calls under way to the service from one sidecar (in a worker: its part of them), streams included. */
  readonly maxCalls: number;
  /** Calls that may wait for a place when there is none. */
  readonly maxPending: number;
  /** Calls under way in the application, as its sidecar (or worker) lets in. */
  readonly inboundMaxCalls: number;
  readonly inboundMaxPending: number;
  /** Each method gets a limit of its own, found by its latency. */
  readonly hasInboundAdaptive: boolean;
  readonly inboundRate: RateLimit | undefined;
}

export const defaultLimitPolicy: LimitPolicy = {
  maxCalls: 1_024,
  maxPending: 0,
  inboundMaxCalls: 1_024,
  inboundMaxPending: 0,
  hasInboundAdaptive: false,
  inboundRate: undefined,
};

const maxPlaces = 1_000_000;

export const limitSettings: readonly TopicSetting<LimitPolicy>[] = [
  setting({
    key: "ferry_max_calls",
    form: integer(1, maxPlaces),
    default: "1024",
    doc: "Calls to the service that a caller's sidecar has under way, streams included; of several workers each has its part. The last 20 % of the places are not for calls with x-ferry-priority sheddable; the last 5 %, once a critical call has come, only for critical ones.",
    scope: "service",
    apply: (policy, maxCalls) => ({ ...policy, maxCalls }),
  }),
  setting({
    key: "ferry_max_pending",
    form: integer(0, maxPlaces),
    default: "0",
    doc: "Calls that wait, by priority and then in order, when ferry_max_calls are under way; until their deadline. What is beyond is refused at once.",
    scope: "service",
    apply: (policy, maxPending) => ({ ...policy, maxPending }),
  }),
  setting({
    key: "ferry_inbound_max_calls",
    form: integer(1, maxPlaces),
    default: "1024",
    doc: "Calls that the service's own sidecar lets into its application at a time, whoever calls; of several workers each has its part. Places are kept by priority as with ferry_max_calls.",
    scope: "service",
    apply: (policy, inboundMaxCalls) => ({ ...policy, inboundMaxCalls }),
  }),
  setting({
    key: "ferry_inbound_max_pending",
    form: integer(0, maxPlaces),
    default: "0",
    doc: "Calls that wait in the service's own sidecar when ferry_inbound_max_calls are under way, or as many of a method as its adaptive limit allows.",
    scope: "service",
    apply: (policy, inboundMaxPending) => ({ ...policy, inboundMaxPending }),
  }),
  setting({
    key: "ferry_inbound_adaptive_limit",
    form: oneOf("off", "on"),
    default: "off",
    doc: "Gives each method a limit of its own in the service's sidecar, which follows the method's latency: calls that would only wait in the application are refused.",
    apply: (policy, word) => ({ ...policy, hasInboundAdaptive: word === "on" }),
  }),
  setting({
    key: "ferry_inbound_rate_limit",
    form: rateLimit,
    default: "none",
    doc: "Calls that one sidecar of the service takes, its workers in equal parts: 100/s for all callers together, web=100/s for one calling service, *=1000/s for each other one. Local: n instances take n times as many. What one key covers shares its buckets.",
    apply: (policy, value) => ({ ...policy, inboundRate: value === "none" ? undefined : value }),
  }),
];
