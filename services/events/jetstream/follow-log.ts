// Follows the log for ever: opens a reader behind the last batch, and another one whenever a reader is lost, be it that
// the server went away, restarted, or only fell silent, or that its consumer was removed or read by somebody else.
// Called by jetstream-event-log.ts. Guarantees: batches in the global order, one at a time, none twice, nothing left
// out: a hole that the server does not confirm is a lost reader.

import { wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { Follower, LoggedRecord, Position } from "../event-log.ts";
import { LogUnavailable } from "../event-log.ts";
import { FollowerPlace } from "./follower-place.ts";
import { reasonOf, unavailable } from "./log-refused.ts";
import type { NatsLink } from "./nats-link.ts";
import type { PullReader } from "./pull-reader.ts";
import type { ReadDeps } from "./read-records.ts";
import type { Session } from "./session.ts";
import { type StoredMessage, toLogged } from "./stored-record.ts";
import { subjectPrefix } from "./stream-settings.ts";

export interface Following {
  readonly after: Position;
  readonly batchSize: number;
  readonly onBatch: (records: readonly LoggedRecord[]) => Promise<void>;
  readonly signal: AbortSignal;
  readonly follower: Follower | undefined;
}

type FollowDeps = ReadDeps & { readonly random: Random };

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 2000;

/** Ends when `signal` aborts or the link is closed; rejects with what `onBatch` rejects with. */
export async function followLog(deps: FollowDeps, link: NatsLink, following: Following): Promise<void> {
  const { batchSize, onBatch, signal } = following;
  const prefix = subjectPrefix(deps.streamName);
  const place = new FollowerPlace(deps, following.follower);
  let position = following.after;
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const session = await link.next(signal);
    if (session === undefined) return;
    let reader: PullReader | undefined;
    try {
      reader = await place.open(session, position + 1, batchSize);
      for (;;) {
        const batch = await reader.take(batchSize, signal);
        const last = batch.at(-1);
        if (last === undefined || signal.aborted) return;
        await confirmHoles(deps, session, position, batch);
        await onBatch(batch.map((message) => toLogged(prefix, message))).catch((error: unknown) => {
          throw new BatchFailed(error);
        });
        position = last.sequence;
        retryMs = FIRST_RETRY_MS;
      }
    } catch (error) {
      if (error instanceof BatchFailed) throw error.cause;
      const reason = reasonToGoOn(deps.where, error);
      // The end of a connection shows everywhere else, and the link has taken its time already.
      if (session.connection.isClosed()) retryMs = FIRST_RETRY_MS;
      else place.notice(`following anew behind position ${position}: ${reason}`);
    } finally {
      reader?.close();
    }
    await pause(deps, retryMs, signal);
    retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
  }
}

/** What the batch's taker threw, apart from what the log throws. */
class BatchFailed extends Error {
  constructor(cause: unknown) {
    super("the batch was not taken", { cause });
  }
}

/**
 * A sequence may be missing because its message was removed, or because another reader of the same consumer got it.
 * Only the stream knows. Throws LogUnavailable and what the NATS client throws.
 */
async function confirmHoles(
  { streamName, where }: ReadDeps,
  { jsm }: Session,
  position: Position,
  batch: readonly StoredMessage[],
): Promise<void> {
  if ((batch.at(-1)?.sequence ?? 0) - position === batch.length) return;
  let before = position;
  for (const { sequence } of batch) {
    if (sequence !== before + 1) {
      const query = { seq: before + 1, next_by_subj: `${subjectPrefix(streamName)}.*` };
      const next = await jsm.streams.getMessage(streamName, query);
      if (next?.seq !== sequence) throw new LogUnavailable(`${where}: record ${sequence} came after ${before}`);
    }
    before = sequence;
  }
}

function reasonToGoOn(where: string, error: unknown): string {
  const explained = unavailable(where, error);
  if (!(explained instanceof LogUnavailable)) throw explained;
  return reasonOf(explained);
}

async function pause({ clock, random }: FollowDeps, retryMs: number, signal: AbortSignal): Promise<void> {
  await wait(clock, random() * retryMs, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
