// Reads that end: an aggregate's stream, its last record, a page of the whole log. Called by jetstream-event-log.ts.
// Guarantees: every read first asks the stream's leader where the end is and then reads up to there, so that whoever
// was acknowledged sees the record, whichever replica serves the rest.

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
const everything = { limit: Number.POSITIVE_INFINITY, untilVersion: Number.POSITIVE_INFINITY };

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
  const all = await readUpTo(deps, session, { ...everything, from: 1, through: message.seq, stream: last.stream });
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
  const tip = await readTip(deps, session, stream);
  if (tip.last === undefined || tip.version < fromVersion || limit <= 0) return [];
  if (tip.version === fromVersion) return [tip.last];
  const known = deps.tips.before(stream, fromVersion) ?? { version: 0, sequence: 0 };
  const wanted = Math.min(limit, tip.version - fromVersion + 1);
  const untilVersion = fromVersion + wanted - 1;
  const range = { ...everything, from: known.sequence + 1, through: tip.sequence, stream, untilVersion };
  const isShort = tip.version - known.version <= MAX_SINGLE_READS;
  const records = isShort ? await readSingly(deps, session, range) : await readUpTo(deps, session, range);
  const last = records.at(-1);
  if (last !== undefined && last.version > 0) {
    deps.tips.passed(stream, { version: last.version, sequence: last.position });
  }
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
  return readUpTo(deps, session, { ...everything, from: after + 1, through, limit });
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
  /** Stop at this version of an aggregate. */
  readonly untilVersion: number;
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
    const record = fromStored(deps, message);
    records.push(record);
    if (record.version >= range.untilVersion) break;
    seq = message.seq + 1;
  }
  return records;
}

async function readUpTo(deps: ReadDeps, session: Session, range: Range): Promise<readonly LoggedRecord[]> {
  const { streamName, where, clock } = deps;
  const { from, through, limit, untilVersion, stream } = range;
  const prefix = subjectPrefix(streamName);
  const window = Math.min(WINDOW, limit, through - from + 1);
  const subject = stream === undefined ? {} : { subject: subjectOf(deps, stream) };
  const reader = await PullReader.open({ session, clock, streamName, where, from, window, ...subject });
  try {
    const records: LoggedRecord[] = [];
    while (records.length < limit && (records.at(-1)?.position ?? 0) < through) {
      for (const message of await reader.take(limit - records.length)) {
        if (message.sequence > through) return records;
        const record = toLogged(prefix, message);
        records.push(record);
        if (record.version >= untilVersion) return records;
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
