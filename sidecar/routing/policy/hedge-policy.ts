// When a second try goes out although the first has not ended: what the hedge layer reads, and the keys that set it.

import { setting, type TopicSetting, type ValueForm } from "./setting.ts";
import { duration } from "./value-forms.ts";

export interface HedgePolicy {
  /** Of the method's latency; a call that takes longer gets a second try. 0 for never. */
  readonly percentile: number;
  /** The second try waits at least this long, milliseconds. */
  readonly minDelayMs: number;
}

export const defaultHedgePolicy: HedgePolicy = { percentile: 0, minDelayMs: 1 };

/** Below the median more calls than not would be sent twice; above p99.9 there are too few calls to know it by. */
const percentileForm: ValueForm<number> = {
  expected: "off, or a percentile from p50 to p99.9 as p95",
  parse(text) {
    if (text === "off") return 0;
    const value = /^p\d{2}(\.\d)?$/.test(text) ? Number(text.slice(1)) : Number.NaN;
    return value >= 50 && value <= 99.9 ? value : undefined;
  },
};

export const hedgeSettings: readonly TopicSetting<HedgePolicy>[] = [
  setting({
    key: "ferry_hedge",
    form: percentileForm,
    default: "off",
    doc: "A call that takes longer than this percentile of its method's calls lately is sent to a second endpoint as well; the first answer counts. Only idempotent unary methods that descriptors know, within the retry budget.",
    apply: (policy, percentile) => ({ ...policy, percentile }),
  }),
  setting({
    key: "ferry_hedge_min_delay",
    form: duration("1ms", false),
    default: "1ms",
    doc: "No second try goes out sooner, however fast the method is.",
    apply: (policy, minDelayMs) => ({ ...policy, minDelayMs }),
  }),
];
