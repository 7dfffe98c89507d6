// How long a call may take: what the deadline layers and early refusal read, and the keys that set it.

import { setting, type TopicSetting } from "./setting.ts";
import { duration, oneOf } from "./value-forms.ts";

export interface DeadlinePolicy {
  /** Cap on a unary call's time, retries included, milliseconds; 0 for none. Does not touch streams. */
  readonly requestTimeoutMs: number;
  /** What becomes of a unary call that has less time left than half of its method's calls take. */
  readonly earlyRefusal: "off" | "count" | "on";
}

export const defaultDeadlinePolicy: DeadlinePolicy = { requestTimeoutMs: 0, earlyRefusal: "count" };

export const deadlineSettings: readonly TopicSetting<DeadlinePolicy>[] = [
  setting({
    key: "ferry_request_timeout",
    form: duration("1ms", true),
    default: "0",
    doc: "Cap on the time of a unary call, retries included. Streams are left alone. A RequestTimeout of the route or resolver wins, and that one applies to streams as well.",
    apply: (policy, requestTimeoutMs) => ({ ...policy, requestTimeoutMs }),
  }),
  setting({
    key: "ferry_early_refusal",
    form: oneOf("off", "count", "on"),
    default: "count",
    doc: "A unary call that has less time left than half of its method's calls took lately. on: refused with deadline_too_short before it is sent, but at most one call in five of the method. count: sent, and counted as would_refuse_early. off: not looked at.",
    apply: (policy, earlyRefusal) => ({ ...policy, earlyRefusal }),
  }),
];
