// When an endpoint is taken out of rotation for its failures, for how long, and when one is used all the same: what
// gate and balance read, and the keys that set it.

import { setting, type TopicSetting } from "./setting.ts";
import { duration, integer, percent } from "./value-forms.ts";

export interface EjectionPolicy {
  /** Failures in a row that eject an endpoint; 0 never ejects. */
  readonly consecutiveFailures: number;
  /** Percent of the calls in the window that must go well; 0 never ejects. */
  readonly successRatePercent: number;
  /** With fewer calls in the window the success rate says nothing. */
  readonly minCalls: number;
  /** The success rate's window, and how soon after its return an endpoint must fail for its ejections to add up. */
  readonly windowMs: number;
  /** The first ejection's length; each further one doubles it. */
  readonly baseMs: number;
  /** No ejection is longer, the first included. */
  readonly maxMs: number;
  /** Of a target's endpoints, rounded down, but always one and never the last one. */
  readonly maxEjectedPercent: number;
  /** When fewer of a target's registered endpoints can be used, ejected ones are used as well; 0: not for that. */
  readonly panicPercent: number;
}

export const defaultEjectionPolicy: EjectionPolicy = {
  consecutiveFailures: 5,
  successRatePercent: 80,
  minCalls: 5,
  windowMs: 10_000,
  baseMs: 1_000,
  maxMs: 60_000,
  maxEjectedPercent: 30,
  panicPercent: 50,
};

export const ejectionSettings: readonly TopicSetting<EjectionPolicy>[] = [
  setting({
    key: "ferry_eject_consecutive_failures",
    form: integer(0, 1000),
    default: "5",
    doc: "So many failures in a row take an endpoint out of rotation, for all methods when it could not be reached, else for the method that failed, and then at least as many as come in half a second; 0 never does. More when the others of its pool fail as well. Each worker counts for itself, as with all of these keys.",
    apply: (policy, consecutiveFailures) => ({ ...policy, consecutiveFailures }),
  }),
  setting({
    key: "ferry_eject_success_rate",
    form: percent,
    default: "80",
    doc: "When a smaller share of an endpoint's calls goes well than this, by more than chance explains (two standard deviations), and twice as many fail as at the others of its pool, it is taken out of rotation as well; 0 never does.",
    apply: (policy, successRatePercent) => ({ ...policy, successRatePercent }),
  }),
  setting({
    key: "ferry_eject_min_calls",
    form: integer(1, 1_000_000),
    default: "5",
    doc: "With fewer calls in ferry_eject_window the success rate is not looked at.",
    apply: (policy, minCalls) => ({ ...policy, minCalls }),
  }),
  setting({
    key: "ferry_eject_window",
    form: duration("100ms", false),
    default: "10s",
    doc: "What the success rate is taken over. An endpoint that is ejected again within this time of its return stays out twice as long as the last time.",
    scope: "service",
    apply: (policy, windowMs) => ({ ...policy, windowMs }),
  }),
  setting({
    key: "ferry_eject_base",
    form: duration("10ms", false),
    default: "1s",
    doc: "How long the first ejection of an endpoint lasts, up to half of it added by chance; each further one in a row lasts twice as long.",
    apply: (policy, baseMs) => ({ ...policy, baseMs }),
  }),
  setting({
    key: "ferry_eject_max",
    form: duration("10ms", false),
    default: "1m",
    doc: "No ejection lasts longer, the first included.",
    apply: (policy, maxMs) => ({ ...policy, maxMs }),
  }),
  setting({
    key: "ferry_eject_max_percent",
    form: integer(1, 100),
    default: "30",
    doc: "How many of a target's endpoints may be out at a time, rounded down; one always may, and the last one only when a failover target can take its calls.",
    scope: "service",
    apply: (policy, maxEjectedPercent) => ({ ...policy, maxEjectedPercent }),
  }),
  setting({
    key: "ferry_panic_percent",
    form: integer(0, 100),
    default: "50",
    doc: "When fewer of a target's registered endpoints can be used, those that Ferry ejected are used as well, unless a failover target has one that can be used; those that the registry calls critical never are. 0: only when no other endpoint is left.",
    scope: "service",
    apply: (policy, panicPercent) => ({ ...policy, panicPercent }),
  }),
];
