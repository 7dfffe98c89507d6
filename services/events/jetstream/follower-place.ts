// A follower's place on the server: a durable pull consumer of its name, so that operators see who follows and how far
// behind it is, also while it is away. Called by follow-log.ts whenever it opens a reader. The consumer decides
// nothing: it is made anew behind the follower's own checkpoint each time.
// Guarantees: of several followers of one name the one that began last has it; the others find that out, go on with a
// consumer of their own and leave this one alone.
//
// No acknowledgements: an ack would be a second checkpoint, which can disagree with the one in the read model, and
// while a model cannot be written the server would deliver again what waits for it. Without them a consumer keeps
// nothing in the server. The price: the lag that is shown may be too small by what is on its way, at most two batches.

import { hostname } from "node:os";
import { AckPolicy, JetStreamApiCodes, JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import { nanos } from "nats";
import { randomHex } from "../../../common/random.ts";
import type { Follower } from "../event-log.ts";
import { PullReader, type ReaderConsumer } from "./pull-reader.ts";
import type { ReadDeps } from "./read-records.ts";
import type { Session } from "./session.ts";

/** Metadata of the consumer. */
const OWNER_KEY = "ferry-owner";
const PASSING_INACTIVE_MS = 60 * 60 * 1000;

/** Throws unless `name` can be the name of a consumer: another one is a bug of the caller. */
export function assertFollowerName(name: string): void {
  if (/^[A-Za-z0-9_-]{1,100}$/.test(name)) return;
  throw new Error(`follower "${name.slice(0, 100)}": expected 1 to 100 letters, digits, _ and -`);
}

/** Of one following: its name while it has that, else a consumer that nobody need see. */
export class FollowerPlace {
  readonly #deps: ReadDeps;
  readonly #follower: Follower | undefined;
  readonly #owner = `process ${process.pid} on ${hostname()}, ${randomHex(4)}`;
  /** We had the name before, so another owner must have come later. */
  #hasHeld = false;
  #lastNotice = "";

  constructor(deps: ReadDeps, follower: Follower | undefined) {
    this.#deps = deps;
    this.#follower = follower;
  }

  /** A reader from the sequence `from` on. Throws what the NATS client throws. */
  async open(session: Session, from: number, window: number): Promise<PullReader> {
    const { streamName, where, clock } = this.#deps;
    const consumer = await this.#claim(session.jsm);
    const reader = await PullReader.open({ session, clock, streamName, where, from, window, consumer });
    if (consumer !== undefined) this.#hasHeld = true;
    return reader;
  }

  /** Once for each thing that happens, not at every try. */
  notice(sentence: string): void {
    if (sentence === this.#lastNotice) return;
    this.#lastNotice = sentence;
    this.#follower?.onNotice?.(sentence);
  }

  /** Makes room for the follower's consumer and gives what to make; undefined: without a name. */
  async #claim(jsm: JetStreamManager): Promise<ReaderConsumer | undefined> {
    if (this.#follower === undefined) return undefined;
    const { name, isPassing = false } = this.#follower;
    const { streamName } = this.#deps;
    const found = await unlessMissing(jsm.consumers.info(streamName, name));
    const owner = found?.config.metadata?.[OWNER_KEY] ?? "somebody else";
    if (found !== undefined && owner !== this.#owner && this.#hasHeld) {
      this.notice(`consumer ${name} belongs to ${owner} now; following without a name`);
      return undefined;
    }
    if (found !== undefined) await unlessMissing(jsm.consumers.delete(streamName, name));
    const config = {
      durable_name: name,
      description: "read by Ferry without acknowledgements; the true checkpoint is the reader's own",
      metadata: { [OWNER_KEY]: this.#owner },
      ack_policy: AckPolicy.None,
      // As many as the stream has, also when that changes.
      num_replicas: 0,
      ...(isPassing ? { inactive_threshold: nanos(PASSING_INACTIVE_MS) } : {}),
    };
    return { config, isKept: !isPassing };
  }
}

/** Undefined: there is no such consumer. */
async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return undefined;
    throw error;
  }
}
