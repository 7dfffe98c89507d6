// Reads that end: an aggregate's stream, its last record, a page of the whole log. Called by jetstream-event-log.ts.
// Guarantees: every read first asks the stream's leader where the end is and then reads up to there, so that whoever was
// acknowledged sees the record, whichever replica serves the rest.

import type { StoredMsg } from "@nats-io/jetstream";
import type { Clock } from "../../../common/clock.ts";
import type { LoggedRecord, Position } from "../event-log.ts";
import { PullReader } from "./pull-reader.ts";
import type { Session } from "./session.ts";
import { toLogged } from "./stored-record.ts";
import { subjectPrefix } from "./stream-settings.ts";
import type { StreamTip, StreamTips } from "./stream-tips.ts";

export interface ReadDeps {
  readonly streamName: string;
  readonly where: string;
  readonly clock: Clock;
  readonly tips: StreamTips;
}

/** An aggregate's end as the server has it, with the last record when there is one. */
export interface ReadTip extends StreamTip {
  readonly last: LoggedRecord | undefined;
}

/** Up to so many records are fetched one by one; for more a consumer is worth its making. */
const MAX_SINGLE_READS = 8;
const WINDOW = 500;

/** Throws what the NATS client throws. */
export async function readTip(deps: ReadDeps, session: Session, stream: string): Promise<ReadTip> {
  const message = await session.jsm.streams.getMessage(deps.streamName, { last_by_subj: subjectOf(deps, stream) });
  const tip = message === null ? undefined : await tipFrom(deps, session, message);
  const { version = 0, sequence = 0 } = tip ?? {};
  deps.tips.learn(stream, { version, sequence });
  return { version, sequence, last: tip?.last };
}

async function tipFrom(deps: ReadDeps, session: Session, message: StoredMsg): Promise<ReadTip> {
  const last = fromStored(deps, message);
  if (last.version > 0) return { version: last.version, sequence: message.seq, last };
  // Somebody else's message stands at the end: ours is the last before it.
  const all = await readUpTo(deps, session, {
    from: 1,
    through: message.seq,
    limit: Number.POSITIVE_INFINITY,
    stream: last.stream,
  });
  const ours = all.findLast(({ version }) => version > 0);
  return { version: ours?.version ?? 0, sequence: message.seq, last: ours };
}

/** Throws what the NATS client throws, and LogUnavailable. */
export async function readStream(
  deps: ReadDeps,
  session: Session,
  params: { readonly stream: string; readonly fromVersion: number; readonly limit: number },
): Promise<readonly LoggedRecord[]> {
  const { stream, fromVersion, limit } = params;
  // Before the tip is learned: what is known of earlier says where to begin.
  const known = deps.tips.get(stream);
  const tip = await readTip(deps, session, stream);
  if (tip.last === undefined || tip.version < fromVersion || limit <= 0) return [];
  if (tip.version === fromVersion) return [tip.last];
  const isAhead = known !== undefined && known.version < fromVersion && known.sequence <= tip.sequence;
  const from = isAhead ? known.sequence + 1 : 1;
  const skipped = isAhead ? known.version : 0;
  const wanted = Math.min(limit, tip.version - fromVersion + 1);
  const range = { from, through: tip.sequence, limit: Number.POSITIVE_INFINITY, stream };
  const isShort = tip.version - skipped <= MAX_SINGLE_READS;
  const records = isShort ? await readSingly(deps, session, range) : await readUpTo(deps, session, range);
  return records.filter(({ version }) => version >= fromVersion).slice(0, wanted);
}

/** Throws what the NATS client throws, and LogUnavailable. */
export async function readAll(
  deps: ReadDeps,
  session: Session,
  after: Position,
  limit: number,
): Promise<readonly LoggedRecord[]> {
  const through = await readHead(deps, session);
  if (after >= through || limit <= 0) return [];
  return readUpTo(deps, session, { from: after + 1, through, limit });
}

/** The sequence of the last record. Throws what the NATS client throws. */
export async function readHead({ streamName }: ReadDeps, session: Session): Promise<Position> {
  return (await session.jsm.streams.info(streamName)).state.last_seq;
}

/** The record at a sequence; undefined when there is none. */
export async function readAt(deps: ReadDeps, session: Session, seq: number): Promise<LoggedRecord | undefined> {
  const message = await session.jsm.streams.getMessage(deps.streamName, { seq });
  return message === null ? undefined : fromStored(deps, message);
}

export function subjectOf({ streamName }: Pick<ReadDeps, "streamName">, stream: string): string {
  return `${subjectPrefix(streamName)}.${stream}`;
}

interface Range {
  readonly from: number;
  /** A sequence that is in the stream and, when `stream` is given, on its subject. */
  readonly through: number;
  readonly limit: number;
  /** Only this aggregate. */
  readonly stream?: string;
}

async function readSingly(deps: ReadDeps, session: Session, range: Range): Promise<readonly LoggedRecord[]> {
  const records: LoggedRecord[] = [];
  const subject = subjectOf(deps, range.stream ?? "*");
  for (let seq = range.from; seq <= range.through; ) {
    // The server takes this since 2.2; the client's types know it for direct reads only.
    const query = { seq, next_by_subj: subject };
    const message = await session.jsm.streams.getMessage(deps.streamName, query);
    if (message === null) break;
    records.push(fromStored(deps, message));
    seq = message.seq + 1;
  }
  return records;
}

async function readUpTo(deps: ReadDeps, session: Session, range: Range): Promise<readonly LoggedRecord[]> {
  const { streamName, where, clock } = deps;
  const { from, through, limit, stream } = range;
  const prefix = subjectPrefix(streamName);
  const window = Math.min(WINDOW, limit, through - from + 1);
  const subject = stream === undefined ? {} : { subject: subjectOf(deps, stream) };
  const reader = await PullReader.open({ session, clock, streamName, where, from, window, ...subject });
  try {
    const records: LoggedRecord[] = [];
    while (records.length < limit && (records.at(-1)?.position ?? 0) < through) {
      for (const message of await reader.take(limit - records.length)) {
        if (message.sequence <= through) records.push(toLogged(prefix, message));
        else return records;
      }
    }
    return records;
  } finally {
    reader.close();
  }
}

function fromStored({ streamName }: ReadDeps, { subject, seq, header, data }: StoredMsg): LoggedRecord {
  return toLogged(subjectPrefix(streamName), { subject, sequence: seq, header, data });
}
