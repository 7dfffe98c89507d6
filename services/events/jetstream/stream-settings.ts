// The stream that holds the event log: every setting as a row, with its reason, and what differs in a stream that is
// there. Pure. Used by session.ts (a stream that would lose events is refused) and by `ferry events` (plan and apply).

import type { StreamConfig } from "@nats-io/jetstream";

/** What the operator chooses. */
export interface StreamChoice {
  /** As QUOTER_EVENTS. */
  readonly name: string;
  readonly replicas: number;
  readonly maxBytes: number;
}

export interface StreamSetting {
  /** As the server calls it. */
  readonly field: string;
  readonly wanted: unknown;
  readonly reason: string;
  /** `promise`: without it the log breaks what event-log.ts promises; the services refuse such a stream. */
  readonly kind: "promise" | "advice";
  /** The server cannot change it in a stream that exists. */
  readonly isFixed?: boolean;
}

export interface StreamDifference extends StreamSetting {
  readonly actual: unknown;
}

/** `QUOTER_EVENTS` -> `quoter.events`: what stands before the aggregate's stream in a subject. */
export function subjectPrefix(streamName: string): string {
  return streamName.toLowerCase().replaceAll("_", ".");
}

/** The table. */
export function streamSettings({ name, replicas, maxBytes }: StreamChoice): readonly StreamSetting[] {
  const promise = (field: string, wanted: unknown, reason: string): StreamSetting => ({
    field,
    wanted,
    reason,
    kind: "promise",
  });
  const advice = (field: string, wanted: unknown, reason: string): StreamSetting => ({
    ...promise(field, wanted, reason),
    kind: "advice",
  });
  return [
    promise("subjects", [`${subjectPrefix(name)}.*`], "one subject for each aggregate: its last sequence is its lock"),
    { ...promise("storage", "file", "an acknowledged event survives the server"), isFixed: true },
    promise("retention", "limits", "events stay when they were read; every read model can be built again"),
    promise("max_age", 0, "events never grow too old: the log is the truth, not a queue"),
    promise("max_msgs", -1, "a bound on the number of events would forget the oldest"),
    promise("max_msgs_per_subject", -1, "a bound for an aggregate would forget its beginning"),
    promise("discard", "new", "a full log refuses the next event instead of forgetting the first"),
    promise("sealed", false, "a sealed stream takes no events"),
    promise("no_ack", false, "an event counts when the server has acknowledged it"),
    promise("mirror", undefined, "a mirror takes no events of its own"),
    promise("subject_transform", undefined, "the subject names the aggregate, so it must arrive as it was sent"),
    advice("max_bytes", maxBytes, "the disk has an end, and the log should say so before the disk does"),
    advice("num_replicas", replicas, "fewer than half of these servers may be lost"),
    advice("deny_delete", true, "nobody removes single events; it cannot be taken back"),
    advice("deny_purge", true, "nobody empties the log; it cannot be taken back"),
    advice("allow_rollup_hdrs", false, "a publisher must not be able to replace an aggregate's history"),
    advice(
      "duplicate_window",
      10_000_000_000,
      "10 s in ns, for an append that is sent twice; kept in the server's memory, so short. Later repeats are found " +
        "by the command id in the aggregate",
    ),
    advice(
      "allow_direct",
      false,
      "direct reads may be answered by a replica that is behind; who was acknowledged must see the event",
    ),
    advice("compression", "s2", "a quarter of the disk for a few per cent of the rate"),
  ];
}

/** The whole configuration, for a stream that does not exist yet. */
export function wantedConfig(choice: StreamChoice): Partial<StreamConfig> & { readonly name: string } {
  const rows = streamSettings(choice).filter(({ wanted }) => wanted !== undefined);
  return { name: choice.name, ...Object.fromEntries(rows.map(({ field, wanted }) => [field, wanted])) };
}

/** The rows in which `actual` is another stream than we want. */
export function differences(actual: Partial<StreamConfig>, choice: StreamChoice): readonly StreamDifference[] {
  const fields = actual as Readonly<Record<string, unknown>>;
  return streamSettings(choice).flatMap((row) => {
    // The server leaves out what is off.
    const value = fields[row.field] ?? (row.wanted === false ? false : undefined);
    return JSON.stringify(value) === JSON.stringify(row.wanted) ? [] : [{ ...row, actual: value }];
  });
}

/** One sentence why the log does not use this stream; undefined when it does. */
export function brokenPromises(actual: Partial<StreamConfig>, choice: StreamChoice): string | undefined {
  const broken = differences(actual, choice).filter(({ kind }) => kind === "promise");
  if (broken.length === 0) return undefined;
  const parts = broken.map(({ field, actual: is, wanted, reason }) => {
    return `${field} is ${show(is)} instead of ${show(wanted)} (${reason})`;
  });
  const isFixed = broken.some((row) => row.isFixed);
  const remedy = isFixed ? "the server cannot change this: name another stream" : "`ferry events apply` changes it";
  return `stream ${choice.name}: ${parts.join("; ")}; ${remedy}`;
}

/** A setting's value for people. */
export function show(value: unknown): string {
  return value === undefined ? "not set" : JSON.stringify(value);
}
