// Follows the log for ever: opens a reader behind the last batch, and another one whenever a reader is lost, be it that
// the server went away, restarted, or only fell silent. Called by jetstream-event-log.ts. Guarantees: batches in the
// global order, one at a time, none twice.

import { wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import type { LoggedRecord, Position } from "../event-log.ts";
import { LogUnavailable } from "../event-log.ts";
import { unavailable } from "./log-refused.ts";
import type { NatsLink } from "./nats-link.ts";
import { PullReader } from "./pull-reader.ts";
import type { ReadDeps } from "./read-records.ts";
import type { Session } from "./session.ts";
import { type StoredMessage, toLogged } from "./stored-record.ts";
import { subjectPrefix } from "./stream-settings.ts";

export interface Following {
  readonly after: Position;
  readonly batchSize: number;
  readonly onBatch: (records: readonly LoggedRecord[]) => Promise<void>;
  readonly signal: AbortSignal;
}

const RETRY_MS = 200;

/** Ends when `signal` aborts or the link is closed; rejects with what `onBatch` rejects with. */
export async function followLog(
  deps: ReadDeps & { readonly random: Random },
  link: NatsLink,
  following: Following,
): Promise<void> {
  const { batchSize, onBatch, signal } = following;
  const prefix = subjectPrefix(deps.streamName);
  let position = following.after;
  while (!signal.aborted) {
    const session = await link.next(signal);
    if (session === undefined) return;
    const source = await openSource(deps, session, { from: position + 1, window: batchSize });
    for (;;) {
      const batch = await source.next(batchSize, signal);
      const last = batch.at(-1);
      if (last === undefined || signal.aborted) break;
      try {
        await onBatch(batch.map((message) => toLogged(prefix, message)));
      } catch (error) {
        source.close();
        throw error;
      }
      position = last.sequence;
    }
    source.close();
    if (!signal.aborted) await pause(deps, signal);
  }
}

interface Source {
  /** Empty: lost, or `signal` aborted. */
  next(max: number, signal: AbortSignal): Promise<readonly StoredMessage[]>;
  close(): void;
}

async function openSource(
  deps: ReadDeps,
  session: Session,
  part: { readonly from: number; readonly window: number },
): Promise<Source> {
  const { streamName, where, clock } = deps;
  try {
    const reader = await PullReader.open({ session, clock, streamName, where, ...part });
    return {
      next: (max, signal) => reader.take(max, signal).catch(nothingWhenUnavailable),
      close: () => reader.close(),
    };
  } catch (error) {
    nothingWhenUnavailable(unavailable(where, error));
    return { next: async () => [], close: () => {} };
  }
}

function nothingWhenUnavailable(error: unknown): readonly StoredMessage[] {
  if (!(error instanceof LogUnavailable)) throw error;
  return [];
}

async function pause({ clock, random }: ReadDeps & { readonly random: Random }, signal: AbortSignal): Promise<void> {
  await wait(clock, random() * RETRY_MS, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
