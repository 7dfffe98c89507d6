// How a splitter divides calls: what is read when its legs are compiled, and the key that sets it. Consul's splitter
// goes by chance alone.

import { setting, type TopicSetting, type ValueForm } from "./setting.ts";

export interface SplitPolicy {
  /** Calls with the same value of this header stay on one side; lower case; empty: by chance. */
  readonly stickyHeader: string;
}

export const defaultSplitPolicy: SplitPolicy = { stickyHeader: "" };

const headerName: ValueForm<string> = {
  expected: "a header's name as x-user-id, or off",
  parse(text) {
    if (text === "off") return "";
    return /^[\w!#$%&'*+.^`|~-]{1,100}$/.test(text) ? text.toLowerCase() : undefined;
  },
};

export const splitSettings: readonly TopicSetting<SplitPolicy>[] = [
  setting({
    key: "ferry_split_sticky_header",
    form: headerName,
    default: "off",
    doc: "Calls with the same value of this header stay on the same side of the service's splitter, at every sidecar and gateway; calls without it are split by chance.",
    scope: "service",
    apply: (policy, stickyHeader) => ({ ...policy, stickyHeader }),
  }),
];
