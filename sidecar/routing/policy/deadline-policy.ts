// How long a call may take: what the deadline layers read, and the keys that set it.

import { setting, type TopicSetting } from "./setting.ts";
import { duration } from "./value-forms.ts";

export interface DeadlinePolicy {
  /** Cap on a unary call's time, retries included, milliseconds; 0 for none. Does not touch streams. */
  readonly requestTimeoutMs: number;
}

export const defaultDeadlinePolicy: DeadlinePolicy = { requestTimeoutMs: 0 };

export const deadlineSettings: readonly TopicSetting<DeadlinePolicy>[] = [
  setting({
    key: "ferry_request_timeout",
    form: duration("1ms", true),
    default: "0",
    doc: "Cap on the time of a unary call, retries included. Streams are left alone. A RequestTimeout of the route or resolver wins, and that one applies to streams as well.",
    apply: (policy, requestTimeoutMs) => ({ ...policy, requestTimeoutMs }),
  }),
];
