// Faults that are put in on purpose, so that callers can be tested against them: what the fault layer reads, and the
// keys that set it. Off by default. The same two forms are read from request headers where `fromHeaders` allows it.

import { parseDuration } from "../duration.ts";
import type { ValueForm } from "./setting.ts";
import { setting, type TopicSetting } from "./setting.ts";
import { oneOf, percent, statusList } from "./value-forms.ts";

export interface FaultPolicy {
  readonly delay: FaultDelay;
  readonly abort: FaultAbort;
  /** Calls may ask for a fault by `x-ferry-fault-delay` and `x-ferry-fault-abort`; what they ask for replaces ours. */
  readonly fromHeaders: boolean;
}

/** So many percent of the calls wait so long before they go on; 0 % for none. */
export interface FaultDelay {
  readonly delayMs: number;
  readonly percent: number;
}

/** So many percent of the calls get this gRPC status instead of going on; 0 % for none. */
export interface FaultAbort {
  readonly status: number;
  readonly percent: number;
}

export const noDelay: FaultDelay = { delayMs: 0, percent: 0 };
export const noAbort: FaultAbort = { status: 0, percent: 0 };
export const defaultFaultPolicy: FaultPolicy = { delay: noDelay, abort: noAbort, fromHeaders: false };

/** A call that waits is held in memory, so no delay is longer, whoever asks for it. */
const maxDelayMs = 300_000;

/** `100ms 10%`; all calls where no percentage is named. */
export const faultDelay: ValueForm<FaultDelay> = {
  expected: "a duration up to 5m and, if not for all calls, a percentage, as 100ms 10%, or off",
  parse(text) {
    if (text === "off") return noDelay;
    const words = inWords(text);
    if (words === undefined) return undefined;
    const delayMs = parseDuration(words.what);
    return delayMs === undefined || delayMs <= 0 || delayMs > maxDelayMs
      ? undefined
      : { delayMs, percent: words.percent };
  },
};

/** `UNAVAILABLE 5%`; all calls where no percentage is named. */
export const faultAbort: ValueForm<FaultAbort> = {
  expected: "a gRPC status but OK and, if not for all calls, a percentage, as UNAVAILABLE 5%, or off",
  parse(text) {
    if (text === "off") return noAbort;
    const words = inWords(text);
    const status = words === undefined ? undefined : statusList.parse(words.what)?.[0];
    return words === undefined || status === undefined || words.what.includes(",")
      ? undefined
      : { status, percent: words.percent };
  },
};

/** The first word, and the percentage that may follow it. */
function inWords(text: string): { readonly what: string; readonly percent: number } | undefined {
  const [what = "", share, ...more] = text.trim().split(/ +/);
  const value = share === undefined ? 100 : percent.parse(share);
  return value === undefined || more.length > 0 ? undefined : { what, percent: value };
}

export const faultSettings: readonly TopicSetting<FaultPolicy>[] = [
  setting({
    key: "ferry_fault_delay",
    form: faultDelay,
    default: "off",
    doc: "For tests: calls wait this long before they go on, once per call and within its deadline.",
    apply: (policy, delay) => ({ ...policy, delay }),
  }),
  setting({
    key: "ferry_fault_abort",
    form: faultAbort,
    default: "off",
    doc: "For tests: calls end with this status instead of going on, after the delay when they got both. Never retried.",
    apply: (policy, abort) => ({ ...policy, abort }),
  }),
  setting({
    key: "ferry_fault_headers",
    form: oneOf("off", "on"),
    default: "off",
    doc: "For tests: whether a call may ask for its own faults by x-ferry-fault-delay and x-ferry-fault-abort, written as the values of the keys above and instead of them. Never for calls that come from the world through a gateway.",
    apply: (policy, value) => ({ ...policy, fromHeaders: value === "on" }),
  }),
];
