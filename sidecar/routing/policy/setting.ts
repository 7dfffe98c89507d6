// The shape of one row in our tables of mesh settings (`ferry_*` keys), and how a topic's rows are written. Each topic
// (retries, ejection, …) has a file here: the policy that the data part reads, and the rows that fill it.
// mesh-config/ferry-settings.ts puts the topics together; parser, `ferry check`, `ferry route` and the reference page
// read them there. Pure.

/** What may be written as a value, and what it means. */
export interface ValueForm<V> {
  /** For problems and docs, as `an integer from 0 to 10`. */
  readonly expected: string;
  /** Undefined when the text is none of it. */
  parse(text: string): V | undefined;
  /** What may have been meant by a text that is none of it; empty, or absent: nothing comes to mind. */
  nearest?(text: string): string;
}

/** A key of one topic, whose policy is a P. */
export interface TopicSetting<P> {
  /** As `ferry_retries`. */
  readonly key: string;
  readonly expected: string;
  /** As it would be written. */
  readonly default: string;
  readonly doc: string;
  /** `method`: may be set for single methods, as `ferry_retries:package.Service/Method`. `service`: for all at once. */
  readonly scope: "method" | "service";
  /** What may have been meant by a text that `read` does not take; empty: nothing comes to mind. */
  nearest(text: string): string;
  /** The policy with what `text` says; undefined when `text` is none of what is expected. */
  read(policy: P, text: string): P | undefined;
}

export interface SettingRow<P, V> {
  readonly key: string;
  readonly form: ValueForm<V>;
  readonly default: string;
  readonly doc: string;
  /** Default: `method`. */
  readonly scope?: "method" | "service";
  apply(policy: P, value: V): P;
}

/** Makes a row whose value has the type that its form gives. */
export function setting<P, V>(row: SettingRow<P, V>): TopicSetting<P> {
  const { key, form, doc, scope = "method" } = row;
  return {
    ...{ key, expected: form.expected, default: row.default, doc, scope },
    nearest: (text) => form.nearest?.(text) ?? "",
    read(policy, text) {
      const value = form.parse(text);
      return value === undefined ? undefined : row.apply(policy, value);
    },
  };
}
