// How old events become today's. The log is never rewritten: when an event type changes its meaning in a way that added
// fields cannot express, its version in codec.ts is raised (or the type replaced) and a pure function here lifts the
// form before. Steps chain: @1 to @2, @2 to @3. Applied by decodeEvent, hence on every path that reads.

/** What the log holds of an event. */
export interface StoredForm {
  /** Full name of the payload's message. */
  readonly type: string;
  readonly schemaVersion: number;
  readonly payload: Uint8Array;
}

/** `type@version` of the older form, to the function that gives the next one. It must name another type or version. */
export type Upcasters = ReadonlyMap<string, (older: StoredForm) => StoredForm>;

/** None yet: every event type is at its first version. */
export const upcasters: Upcasters = new Map();
