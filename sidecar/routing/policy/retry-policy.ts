// When a failed try is followed by another: what the retry layer reads, and the keys that set it. A route's NumRetries
// wins over `retries`.

import { setting, type TopicSetting } from "./setting.ts";
import { integer, oneOf } from "./value-forms.ts";

export interface RetryPolicy {
  /** Tries after the first; 0 for none. */
  readonly retries: number;
  /** Whether calls may be sent again although they may have run: as their descriptors say, or as stated here. */
  readonly idempotent: "declared" | "yes" | "no";
}

export const defaultRetryPolicy: RetryPolicy = { retries: 2, idempotent: "declared" };

export const retrySettings: readonly TopicSetting<RetryPolicy>[] = [
  setting({
    key: "ferry_retries",
    form: integer(0, 10),
    default: "2",
    doc: "Tries after the first, each on another endpoint where there is one. Only calls that provably never ran, or of idempotent methods, are tried again. A route's NumRetries wins.",
    apply: (policy, retries) => ({ ...policy, retries }),
  }),
  setting({
    key: "ferry_idempotent",
    form: oneOf("declared", "yes", "no"),
    default: "declared",
    doc: "Whether a call that may have run may be sent again. declared: what the method's idempotency_level says; yes and no overrule it.",
    apply: (policy, idempotent) => ({ ...policy, idempotent }),
  }),
];
