// Which calls are sent a second time to somebody else, for a look at how it would answer: what the mirror layer reads,
// and the keys that set it. Off by default.

import { setting, type TopicSetting, type ValueForm } from "./setting.ts";
import { integer, oneOf, percent } from "./value-forms.ts";

export interface MirrorPolicy {
  /** Undefined: nothing is mirrored. */
  readonly target: MirrorTarget | undefined;
  /** A copy is a second execution: by default only of methods for which that is harmless. */
  readonly methods: "idempotent" | "all";
  /** Copies under way to one target at once; more are not made. */
  readonly maxCalls: number;
}

export interface MirrorTarget {
  /** As written, without the percentage: what its copies are counted under. */
  readonly name: string;
  readonly service: string;
  /** Empty: where the service's own chain leads. */
  readonly subset: string;
  /** Of the calls that may be mirrored. */
  readonly percent: number;
}

export const defaultMirrorPolicy: MirrorPolicy = { target: undefined, methods: "idempotent", maxCalls: 100 };

/** `quote-query/v2 10%`; "off" stands for no target. */
const mirrorTarget: ValueForm<MirrorTarget | "off"> = {
  expected: "a service or service/subset and a percentage, as quote-query/v2 10%, or off",
  parse(text) {
    if (text === "off") return "off";
    const [name = "", share = "", ...more] = text.trim().split(/ +/);
    const words = /^([a-z0-9][a-z0-9-]{0,62})(?:\/([A-Za-z0-9][\w-]{0,62}))?$/.exec(name);
    const value = percent.parse(share);
    if (words === null || value === undefined || more.length > 0) return undefined;
    return { name, service: words[1]!, subset: words[2] ?? "", percent: value };
  },
};

export const mirrorSettings: readonly TopicSetting<MirrorPolicy>[] = [
  setting({
    key: "ferry_mirror",
    form: mirrorTarget,
    default: "off",
    doc: "Sends this share of the calls to another service or subset as well, as copies with x-ferry-mirror: 1 whose replies nobody sees. Subsets that the other service's own chain names, also with weight 0.",
    apply: (policy, target) => ({ ...policy, target: target === "off" ? undefined : target }),
  }),
  setting({
    key: "ferry_mirror_methods",
    form: oneOf("idempotent", "all"),
    default: "idempotent",
    doc: "Which methods are mirrored. A copy is executed: all is for a target that may run commands twice.",
    apply: (policy, methods) => ({ ...policy, methods }),
  }),
  setting({
    key: "ferry_mirror_max_calls",
    form: integer(1, 100_000),
    default: "100",
    doc: "Copies under way to one target at once, of several workers in equal parts; above it none are made and the rest is counted as full.",
    scope: "service",
    apply: (policy, maxCalls) => ({ ...policy, maxCalls }),
  }),
];
