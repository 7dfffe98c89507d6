// Followers with a name on a real nats-server: what operators see of them, what operators and other followers may do to
// their consumers, and kill -9. Whatever happens there, every follower gets every record once, from its own checkpoint.
// Takes seconds, as it starts processes.

import { create } from "@bufbuild/protobuf";
import { type ConsumerInfo, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { createInbox, type NatsConnection } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../../e2e/testing/nats-server.ts";
import { QuoteLikedSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import type { EventLog, Follower } from "../event-log.ts";
import { connectBeside, logOptions, newStreamName, openLog } from "../testing/nats-fixture.ts";
import { recordOf } from "../testing/records.ts";
import { WorkerProcess } from "../testing/worker-process.ts";
import { wantedConfig } from "./stream-settings.ts";

const like = create(QuoteLikedSchema, { quoteId: "q1" });
const name = "quotes-v1";

describe("a follower with a name on NATS JetStream", () => {
  let server: NatsServer;
  let streamName: string;
  let log: EventLog;
  /** Of the operator. */
  let connection: NatsConnection;
  let jsm: JetStreamManager;
  let version = 0;
  const ends: (() => unknown)[] = [];

  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server?.remove());
  beforeEach(async () => {
    streamName = newStreamName();
    version = 0;
    log = await open();
    connection = await connectBeside(server.url, streamName);
    ends.push(() => connection.close());
    jsm = await jetstreamManager(connection);
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function open(): Promise<EventLog> {
    const opened = await openLog(JSON.stringify({ url: server.url, streamName }));
    ends.push(() => opened.close());
    return opened;
  }

  /** Command ids `c1` and so on: the position is in the name. */
  async function append(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await log.append("quote-a", version, recordOf(`c${++version}`, like));
  }

  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `c${from + i}`);
  const consumer = (): Promise<ConsumerInfo> => jsm.consumers.info(streamName, name);

  /** Follows by a connection of its own and keeps what comes. */
  async function follow(after: number, follower: Partial<Follower> = {}, batchSize = 10) {
    const seen: string[] = [];
    const notices: string[] = [];
    const end = new AbortController();
    const following = (await open()).follow(
      after,
      batchSize,
      async (records) => void seen.push(...records.map(({ record }) => record.commandId)),
      end.signal,
      { name, onNotice: (sentence) => notices.push(sentence), ...follower },
    );
    const stop = async () => {
      end.abort();
      await following;
    };
    ends.push(stop);
    return { seen, notices, stop };
  }

  const sees = (seen: readonly string[], wanted: readonly string[]) =>
    expect.poll(() => seen, { interval: 5, timeout: 10_000 }).toEqual(wanted);

  test("is a durable pull consumer that shows its lag, also when it has stopped", async () => {
    await append(20);
    const { seen, stop } = await follow(5);
    await sees(seen, range(6, 20));
    const { config, num_pending, delivered } = await consumer();
    expect(config).toMatchObject({ durable_name: name, ack_policy: "none", num_replicas: 0, opt_start_seq: 6 });
    expect(config.inactive_threshold).toBeUndefined();
    expect(config.metadata?.["ferry-owner"]).toMatch(new RegExp(`^process ${process.pid} on `));
    expect({ num_pending, delivered: delivered.stream_seq }).toEqual({ num_pending: 0, delivered: 20 });
    await stop();
    await append(7);
    expect(await consumer()).toMatchObject({ num_pending: 7, num_ack_pending: 0 });
  });

  test("starts where its checkpoint is, before or behind the place of the consumer that it finds", async () => {
    await append(20);
    const first = await follow(0);
    await sees(first.seen, range(1, 20));
    await first.stop();
    const restored = await follow(3);
    await sees(restored.seen, range(4, 20));
    await restored.stop();
    const ahead = await follow(18);
    await sees(ahead.seen, range(19, 20));
  });

  test("goes on under its name after an operator has removed its consumer", async () => {
    await append(3);
    const { seen, notices } = await follow(0);
    await sees(seen, range(1, 3));
    for (let round = 0; round < 3; round++) {
      await jsm.consumers.delete(streamName, name);
      await append(2);
      await sees(seen, range(1, 5 + 2 * round));
      expect((await consumer()).num_pending).toBe(0);
    }
    expect(notices[0]).toBe(
      `following anew behind position 3: event log ${server.url}, stream ${streamName}: 409 consumer deleted`,
    );
  });

  test("the later of two followers has the name; the earlier goes on without, and both get all once", async () => {
    let isAppending = true;
    const appending = (async () => {
      while (isAppending) await append(10);
    })();
    const followers = [await follow(0)];
    for (let later = 0; later < 4; later++) {
      await expect.poll(() => followers.at(-1)?.seen.length, { interval: 2 }).toBeGreaterThan(50);
      followers.push(await follow(later % 2 === 0 ? 0 : 25));
    }
    isAppending = false;
    await appending;
    for (const [i, { seen }] of followers.entries()) {
      await sees(seen, range(i === 2 || i === 4 ? 26 : 1, version));
    }
    // A follower that had everything before it lost its consumer says so when it opens the next one.
    const outdone = /consumer quotes-v1 belongs to process \d+ on .* now; following/;
    for (const { notices } of followers.slice(0, -1)) {
      await expect.poll(() => notices.join("\n"), { interval: 5, timeout: 5_000 }).toMatch(outdone);
    }
    // The one it follows may open its next consumer at the same moment: who comes second says so and asks again.
    const outright = followers.at(-1)?.notices.filter((notice) => !notice.endsWith("consumer already exists"));
    expect(outright).toEqual([]);
    expect(await consumer()).toMatchObject({ num_pending: 0, config: { opt_start_seq: 26 } });
  }, 30_000);

  test("loses nothing to a stranger who pulls from its consumer", async () => {
    await append(5);
    const { seen, notices } = await follow(0, {}, 5);
    await sees(seen, range(1, 5));
    let stolen = 0;
    const inbox = createInbox();
    connection.subscribe(inbox, { callback: (_, message) => void (message.reply ? stolen++ : 0) });
    const request = JSON.stringify({ batch: 3, expires: 2e9 });
    for (let round = 0; round < 20; round++) {
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${streamName}.${name}`, request, { reply: inbox });
      await append(5);
    }
    await sees(seen, range(1, version));
    expect(stolen).toBeGreaterThan(0);
    expect(notices.join("\n")).toMatch(/following anew behind position \d+: .* delivery \d+ came after \d+/);
  });

  test("passes over records that were removed from the stream, and over nothing else", async () => {
    await log.close();
    await jsm.streams.delete(streamName);
    const { stream } = logOptions(server.url, streamName);
    await jsm.streams.add({ ...wantedConfig(stream), deny_delete: false });
    log = await open();
    await append(30);
    for (const seq of [1, 2, 10, 11, 12, 21]) await jsm.streams.deleteMessage(streamName, seq);
    const { seen, notices } = await follow(0);
    await sees(
      seen,
      range(1, 30).filter((id) => !["c1", "c2", "c10", "c11", "c12", "c21"].includes(id)),
    );
    expect(notices).toEqual([]);
  });

  test("does not follow its consumer to a place where an operator has put it", async ({ skip }) => {
    await append(10);
    const { seen, notices } = await follow(10);
    await expect.poll(() => consumer().then(({ num_waiting }) => num_waiting)).toBeGreaterThan(0);
    // Servers older than 2.14 cannot do that.
    const isMoved = await jsm.consumers.reset(streamName, name, 14).catch(() => undefined);
    if (isMoved === undefined) skip("this nats-server cannot reset a consumer");
    await append(10);
    await sees(seen, range(11, 20));
    expect(notices).toEqual([expect.stringMatching(/^following anew behind position 10: .* record 14 came after 10$/)]);
  });

  test("that is passing leaves nothing behind, and would not for long after kill -9", async () => {
    await append(3);
    const { seen, stop } = await follow(0, { isPassing: true });
    await sees(seen, range(1, 3));
    expect((await consumer()).config.inactive_threshold).toBe(3600e9);
    await stop();
    await expect.poll(() => consumer().catch(String), { interval: 5 }).toContain("consumer not found");
  });

  test("killed with -9 and started again, ten times under appends: every record once, in order", async () => {
    const module = new URL("../testing/nats-fixture.ts", import.meta.url).href;
    const argument = JSON.stringify({ url: server.url, streamName });
    const worker = new WorkerProcess((lines) => {
      return ["reader", module, argument, lines.at(-1)?.split(" ")[0] ?? "0", "7", name];
    });
    ends.push(() => worker.kill());
    let isKilling = true;
    const appending = (async () => {
      while (isKilling) await append(10);
    })();
    for (let kill = 0; kill < 10; kill++) {
      const before = worker.lines.length;
      await expect.poll(() => worker.lines.length, { interval: 2, timeout: 10_000 }).toBeGreaterThan(before);
      await worker.kill();
      worker.restart();
    }
    isKilling = false;
    await appending;
    const ids = () => worker.lines.map((line) => line.split(" ")[3] ?? "");
    await expect.poll(() => worker.lines.length, { interval: 5, timeout: 20_000 }).toBe(version);
    expect(ids()).toEqual(range(1, version));
    expect(worker.complaints).toBe("");
    expect((await consumer()).num_pending).toBe(0);
  }, 60_000);

  test("with a name that cannot be a consumer's is a bug of the caller", async () => {
    await expect(log.follow(0, 1, async () => {}, new AbortController().signal, { name: "a.b" })).rejects.toThrow(
      'follower "a.b": expected 1 to 100 letters, digits, _ and -',
    );
  });
});
