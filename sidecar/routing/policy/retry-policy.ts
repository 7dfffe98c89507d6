// When a failed try is followed by another: what the retry layer reads, and the keys that set it. What a route states
// in Consul's own fields (NumRetries, RetryOn, RetryOnStatusCodes) wins over the keys (route-leg.ts).

import { Status } from "../../grpc/status.ts";
import { setting, type TopicSetting } from "./setting.ts";
import { duration, integer, oneOf, statusList } from "./value-forms.ts";

export interface RetryPolicy {
  /** Tries after the first; 0 for none. What was never sent is sent again all the same. */
  readonly retries: number;
  /** gRPC statuses of the application's own that another try may better. */
  readonly statuses: readonly number[];
  /** The same for `:status` where an answer is not gRPC; only a route's RetryOn and RetryOnStatusCodes fill it. */
  readonly httpStatuses: readonly number[];
  /** Whether calls may be sent again although they may have run: as their descriptors say, or as stated here. */
  readonly idempotent: "declared" | "yes" | "no";
  /** Time of one try until its reply goes to the caller, milliseconds; 0 for none. Not for streams. */
  readonly tryTimeoutMs: number;
  /** `jitter`: see baseMs. `talk`: waits of 0, 2, 4, 8, … seconds. */
  readonly schedule: "jitter" | "talk";
  /** The n-th retry waits a random part of baseMs * 2^(n-1) … */
  readonly baseMs: number;
  /** … and of no more than this. */
  readonly maxMs: number;
  /** What of a reply waits until it is certain that it is not retried: its header, or a short message as well. */
  readonly hold: "headers" | "message";
}

export const defaultRetryPolicy: RetryPolicy = {
  retries: 2,
  statuses: [Status.UNAVAILABLE],
  httpStatuses: [],
  idempotent: "declared",
  tryTimeoutMs: 0,
  schedule: "jitter",
  baseMs: 25,
  maxMs: 250,
  hold: "headers",
};

export const retrySettings: readonly TopicSetting<RetryPolicy>[] = [
  setting({
    key: "ferry_retries",
    form: integer(0, 10),
    default: "2",
    doc: "Tries after the first, each on another endpoint where there is one. Only calls of idempotent methods are tried again, and beside the count such as provably never ran. A route's NumRetries wins.",
    apply: (policy, retries) => ({ ...policy, retries }),
  }),
  setting({
    key: "ferry_retry_on",
    form: statusList,
    default: "UNAVAILABLE",
    doc: "Statuses of the application's own that are worth another try. A try that breaks off, or that times out, is worth one whatever stands here. A route's RetryOn wins.",
    apply: (policy, statuses) => ({ ...policy, statuses }),
  }),
  setting({
    key: "ferry_idempotent",
    form: oneOf("declared", "yes", "no"),
    default: "declared",
    doc: "Whether a call that may have run may be sent again. declared: what the method's idempotency_level says; yes and no overrule it.",
    apply: (policy, idempotent) => ({ ...policy, idempotent }),
  }),
  setting({
    key: "ferry_try_timeout",
    form: duration("1ms", true),
    default: "0",
    doc: "How long one try of an idempotent method may take until its reply goes to the caller; then it is cancelled, counts as its endpoint's failure, and the next one is tried. The last one has the time that the caller gave. Streams are left alone.",
    apply: (policy, tryTimeoutMs) => ({ ...policy, tryTimeoutMs }),
  }),
  setting({
    key: "ferry_retry_schedule",
    form: oneOf("jitter", "talk"),
    default: "jitter",
    doc: "Waits before retries. jitter: a random part of ferry_retry_base, which doubles with each. talk: exactly 0, 2, 4, 8, … seconds. None that would outlast the deadline is made.",
    apply: (policy, schedule) => ({ ...policy, schedule }),
  }),
  setting({
    key: "ferry_retry_base",
    form: duration("1ms", false),
    default: "25ms",
    doc: "The first retry waits a random part of this, the second of twice as much, and so on.",
    apply: (policy, baseMs) => ({ ...policy, baseMs }),
  }),
  setting({
    key: "ferry_retry_max",
    form: duration("1ms", false),
    default: "250ms",
    doc: "No retry waits longer, unless the upstream asks for it or the schedule is talk.",
    apply: (policy, maxMs) => ({ ...policy, maxMs }),
  }),
  setting({
    key: "ferry_retry_hold",
    form: oneOf("headers", "message"),
    default: "headers",
    doc: "What of a reply waits until its verdict is known, so that it can be replaced. headers: the header, until the message begins. message: of idempotent unary methods the message too, up to 64 KiB and 50 ms, so that an instance that dies between its message and its trailers costs nobody a call.",
    apply: (policy, hold) => ({ ...policy, hold }),
  }),
];
