// When an endpoint is taken out of rotation for its failures, and for how long: what the gate reads, and the keys that
// set it.

import { setting, type TopicSetting } from "./setting.ts";
import { duration, integer } from "./value-forms.ts";

export interface EjectionPolicy {
  /** Failures in a row that eject an endpoint; 0 never ejects. */
  readonly consecutiveFailures: number;
  /** The first ejection's length; each further one doubles it. */
  readonly baseMs: number;
  /** No ejection is longer. Never below `baseMs`. */
  readonly maxMs: number;
}

export const defaultEjectionPolicy: EjectionPolicy = { consecutiveFailures: 5, baseMs: 1_000, maxMs: 60_000 };

export const ejectionSettings: readonly TopicSetting<EjectionPolicy>[] = [
  setting({
    key: "ferry_eject_consecutive_failures",
    form: integer(0, 1000),
    default: "5",
    doc: "So many failures in a row take an endpoint out of rotation; 0 never does.",
    apply: (policy, consecutiveFailures) => ({ ...policy, consecutiveFailures }),
  }),
  setting({
    key: "ferry_eject_base",
    form: duration("10ms", false),
    default: "1s",
    doc: "How long the first ejection of an endpoint lasts; each further one in a row lasts twice as long.",
    apply: (policy, baseMs) => ({ ...policy, baseMs, maxMs: Math.max(policy.maxMs, baseMs) }),
  }),
  setting({
    key: "ferry_eject_max",
    form: duration("10ms", false),
    default: "1m",
    doc: "No ejection lasts longer.",
    apply: (policy, maxMs) => ({ ...policy, maxMs: Math.max(maxMs, policy.baseMs) }),
  }),
];
