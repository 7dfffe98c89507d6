// One append: finds the sequence that the expected version stands for, publishes on that condition, and settles what
// the answer means. Called by jetstream-event-log.ts.
// Guarantees: a record is stored only as the version after the expected one; a repeat of a command that is the
// aggregate's last gets the first answer, whatever the server said: servers differ there (a duplicate for some, a wrong
// sequence for others), so on a wrong sequence the subject's last record is always looked at.

import type { AppendResult } from "../event-log.ts";
import { LogUnavailable } from "../event-log.ts";
import type { PublishAck } from "./publish-ack.ts";
import { type ReadDeps, readAt, readTip, subjectOf } from "./read-records.ts";
import type { Session } from "./session.ts";
import { recordHeaders } from "./stored-record.ts";
import type { StreamTip } from "./stream-tips.ts";

export interface Append {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly commandId: string;
  readonly bytes: Uint8Array;
}

/** Only messages of strangers on the subject, or a stream that was made anew, need more than one. */
const MAX_ATTEMPTS = 3;

/** Throws what the NATS client throws, and LogUnavailable. */
export async function appendRecord(deps: ReadDeps, session: Session, append: Append): Promise<AppendResult> {
  const { stream, expectedVersion, commandId, bytes } = append;
  let tip = tipToExpect(deps, append);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    if (tip === undefined || tip.version !== expectedVersion) {
      const actual = await readTip(deps, session, stream);
      const settled = settle(append, actual);
      if (settled !== undefined) return settled;
      tip = actual;
    }
    const header = recordHeaders(stream, expectedVersion + 1, tip.sequence, commandId);
    const ack = await session.appends.publish(subjectOf(deps, stream), header, bytes);
    if (ack.kind === "stored") return await stored(deps, session, append, ack);
    if (ack.kind === "refused") throw new LogUnavailable(`${deps.where}: ${ack.reason}`);
    deps.tips.forget(stream);
    tip = undefined;
  }
  throw new LogUnavailable(`${deps.where}: ${stream} changed ${MAX_ATTEMPTS} times without a new version`);
}

/** What the subject should end with; undefined: it has to be read. A new stream is taken at its word. */
function tipToExpect({ tips }: ReadDeps, { stream, expectedVersion }: Append): StreamTip | undefined {
  return tips.get(stream) ?? (expectedVersion === 0 ? { version: 0, sequence: 0 } : undefined);
}

/** Undefined: the aggregate is at the expected version, so the append may be tried. */
function settle(
  { expectedVersion, commandId }: Append,
  { version, last }: Awaited<ReturnType<typeof readTip>>,
): AppendResult | undefined {
  if (last !== undefined && commandId !== "" && last.record.commandId === commandId) {
    return { ok: true, position: last.position, version: last.version };
  }
  return version === expectedVersion ? undefined : { ok: false, conflict: { actualVersion: version } };
}

async function stored(
  deps: ReadDeps,
  session: Session,
  { stream, expectedVersion, commandId }: Append,
  { sequence, isDuplicate }: Extract<PublishAck, { kind: "stored" }>,
): Promise<AppendResult> {
  const version = expectedVersion + 1;
  if (!isDuplicate) {
    deps.tips.learn(stream, { version, sequence });
    return { ok: true, position: sequence, version };
  }
  // The server remembers the command: its record is where it says, with the version it got then.
  const first = await readAt(deps, session, sequence);
  if (first?.stream !== stream || first.record.commandId !== commandId) {
    throw new LogUnavailable(`${deps.where}: command ${commandId} was called a duplicate of another record`);
  }
  return { ok: true, position: first.position, version: first.version };
}
