// The event log in a stream of NATS JetStream, shared by all processes that reach the servers. Made by
// open-event-log.ts. Guarantees those of event-log.suite.ts. A subject for each aggregate, one message for each
// command; a position is the stream's sequence. Appends fail fast while NATS is away, followers wait, and both go on by
// themselves when it is back.

import { toBinary } from "@bufbuild/protobuf";
import { jetstreamManager } from "@nats-io/jetstream";
import type { Clock } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import { type CommandRecord, CommandRecordSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import {
  type AppendResult,
  type EventLog,
  type Follower,
  type LoggedRecord,
  LogUnavailable,
  type Position,
} from "../event-log.ts";
import { type StartWait, untilThere } from "../start-wait.ts";
import { assertStreamName } from "../stream-name.ts";
import { appendRecord } from "./append-record.ts";
import { followLog } from "./follow-log.ts";
import { assertFollowerName } from "./follower-place.ts";
import { reasonOf, unavailable } from "./log-refused.ts";
import type { NatsAddress } from "./nats-address.ts";
import { NatsLink } from "./nats-link.ts";
import { type ReadDeps, readAll, readHead, readStream, readTip } from "./read-records.ts";
import { openSession, type Session, whereOf } from "./session.ts";
import { brokenPromises, type StreamChoice } from "./stream-settings.ts";
import { StreamTips } from "./stream-tips.ts";

export interface JetStreamEventLogOptions {
  readonly address: NatsAddress;
  /** The content of a credentials file. */
  readonly credentials?: Uint8Array;
  readonly stream: StreamChoice;
  readonly clock: Clock;
  readonly random: Random;
  /** How long the server may take for an append or a request before LogUnavailable, milliseconds. Default 2000. */
  readonly giveUpAfterMs?: number;
  /** Of a process that starts. */
  readonly startWait?: StartWait | undefined;
}

/** Aggregates whose end is remembered: some 15 MB. */
const MAX_TIPS = 100_000;
/** Shorter than a health check's patience, so that a silent server answers "no" instead of nothing. */
const HEALTH_GIVES_UP_AFTER_MS = 300;
const HEALTH_REMEMBERED_MS = 500;

export class JetStreamEventLog implements EventLog {
  readonly #options: JetStreamEventLogOptions;
  readonly #link: NatsLink;
  readonly #deps: ReadDeps;
  #healthyAtMs = Number.NEGATIVE_INFINITY;

  private constructor(options: JetStreamEventLogOptions) {
    const { clock, random, giveUpAfterMs = 2000 } = options;
    this.#options = options;
    const where = whereOf(options);
    this.#deps = { streamName: options.stream.name, where, clock, tips: new StreamTips(MAX_TIPS) };
    const open = (isFirst: boolean) => openSession({ ...options, giveUpAfterMs }, isFirst);
    this.#link = new NatsLink({ open, where, clock, random });
  }

  /**
   * Connects, and waits for a server that is away as `startWait` says; without it one attempt is made, and a server
   * that is away is no error. Throws one sentence when it did not come, and LogRefused when a person has to do
   * something first.
   */
  static async open(options: JetStreamEventLogOptions): Promise<JetStreamEventLog> {
    const log = new JetStreamEventLog(options);
    try {
      await log.#connected();
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  async #connected(): Promise<void> {
    const { address, clock, startWait } = this.#options;
    const attempt = () => this.#link.attempt();
    if (startWait === undefined) {
      await attempt().catch((error: unknown) => {
        if (whyAway(error) === undefined) throw error;
      });
      return;
    }
    const name = `nats at ${address.servers.join(",")}`;
    const advice = "start nats-server with `-js -sd <folder>`, or set NATS_URL to where it is";
    await untilThere({ name, advice, attempt, whyAway }, clock, startWait);
  }

  async append(stream: string, expectedVersion: number, record: CommandRecord): Promise<AppendResult> {
    assertStreamName(stream);
    const bytes = toBinary(CommandRecordSchema, record);
    const append = { stream, expectedVersion, commandId: record.commandId, bytes };
    try {
      const result = await this.#attempt((session) => appendRecord(this.#deps, session, append));
      if (result.ok) this.#healthyAtMs = this.#options.clock.nowMs();
      return result;
    } catch (error) {
      this.#healthyAtMs = Number.NEGATIVE_INFINITY;
      throw error;
    }
  }

  async readStream(
    stream: string,
    fromVersion = 1,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<readonly LoggedRecord[]> {
    assertStreamName(stream);
    return this.#attempt((session) => readStream(this.#deps, session, { stream, fromVersion, limit }));
  }

  async streamVersion(stream: string): Promise<number> {
    assertStreamName(stream);
    return this.#attempt(async (session) => (await readTip(this.#deps, session, stream)).version);
  }

  async readAll(after: Position, limit: number): Promise<readonly LoggedRecord[]> {
    return this.#attempt((session) => readAll(this.#deps, session, after, limit));
  }

  async head(): Promise<Position> {
    return this.#attempt((session) => readHead(this.#deps, session));
  }

  async follow(
    after: Position,
    batchSize: number,
    onBatch: (records: readonly LoggedRecord[]) => Promise<void>,
    signal: AbortSignal,
    follower?: Follower,
  ): Promise<void> {
    const { random } = this.#options;
    if (follower !== undefined) assertFollowerName(follower.name);
    await followLog({ ...this.#deps, random }, this.#link, { after, batchSize, onBatch, signal, follower });
  }

  async health(): Promise<{ readonly ok: boolean; readonly detail: string }> {
    const { clock } = this.#options;
    if (clock.nowMs() - this.#healthyAtMs < HEALTH_REMEMBERED_MS) return { ok: true, detail: "" };
    try {
      const trouble = await this.#attempt((session) => this.#trouble(session));
      if (trouble !== undefined) return { ok: false, detail: `${this.#deps.where}: ${trouble}` };
      this.#healthyAtMs = clock.nowMs();
      return { ok: true, detail: "" };
    } catch (error) {
      return { ok: false, detail: error instanceof Error ? error.message : String(error) };
    }
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  /** Why the stream takes no appends now, or should not. */
  async #trouble({ connection }: Session): Promise<string | undefined> {
    const { stream } = this.#options;
    const jsm = await jetstreamManager(connection, { timeout: HEALTH_GIVES_UP_AFTER_MS, checkAPI: false });
    const { config, state, cluster } = await jsm.streams.info(stream.name);
    if (config.num_replicas > 1 && !cluster?.leader) return "the stream has no leader; most of its servers must be up";
    if (config.max_bytes > 0 && state.bytes >= config.max_bytes) {
      return `the stream is full: ${state.bytes} of ${config.max_bytes} bytes; raise FERRY_EVENTS_MAX_BYTES`;
    }
    return brokenPromises(config, stream);
  }

  async #attempt<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#link.session();
    try {
      return await work(session);
    } catch (error) {
      throw unavailable(this.#deps.where, error);
    }
  }
}

/** Undefined: time does not help. */
function whyAway(error: unknown): string | undefined {
  return error instanceof LogUnavailable ? reasonOf(error.cause ?? error) : undefined;
}
