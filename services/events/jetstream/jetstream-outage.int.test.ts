// The JetStream log while its server is killed, restarted, stopped or away: nothing lost, nothing doubled, no restart
// of ours. Takes seconds: processes start, and silence is noticed by waiting.

import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../common/clock.ts";
import { systemRandom } from "../../../common/random.ts";
import { type NatsServer, startNats, unusedNatsUrl } from "../../../e2e/testing/nats-server.ts";
import { QuoteLikedSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import { type EventLog, LogUnavailable } from "../event-log.ts";
import { connectBeside, jetStreamLogFixture, logOptions, newStreamName, openLog } from "../testing/nats-fixture.ts";
import { recordOf } from "../testing/records.ts";
import { JetStreamEventLog } from "./jetstream-event-log.ts";

const like = create(QuoteLikedSchema, { quoteId: "q1" });

describe("the JetStream log and its server", () => {
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function start(args?: readonly string[]): Promise<NatsServer> {
    const server = await startNats(args);
    ends.push(() => server.remove());
    return server;
  }

  async function open(server: { readonly url: string }, streamName = newStreamName()): Promise<EventLog> {
    const log = await openLog(JSON.stringify({ url: server.url, streamName }));
    ends.push(() => log.close());
    return log;
  }

  /** Follows `log` as projectors do and keeps what comes. */
  function followed(log: EventLog, batchSize = 50): string[] {
    const seen: string[] = [];
    const end = new AbortController();
    const following = log.follow(
      0,
      batchSize,
      async (records) => {
        seen.push(...records.map(({ record }) => record.commandId));
      },
      end.signal,
      { name: "outage" },
    );
    ends.push(async () => {
      end.abort();
      await following;
    });
    return seen;
  }

  test("kill -9 and restart of the server under appends, five times: every command once, in order", async () => {
    const server = await start();
    const streamName = newStreamName();
    const log = await open(server, streamName);
    const seen = followed(await open(server, streamName));
    let isKilling = true;
    let failed = 0;
    const appended: string[] = [];
    const writers = Array.from({ length: 8 }, async (_, w) => {
      for (let version = 0; isKilling || version < 10; version++) {
        const commandId = `w${w}-${version}`;
        for (;;) {
          const result = await log.append(`quote-${w}`, version, recordOf(commandId, like)).catch((error: unknown) => {
            if (!(error instanceof LogUnavailable)) throw error;
            failed++;
          });
          if (result?.ok === false) throw new Error(`${commandId}: conflict at ${result.conflict.actualVersion}`);
          if (result?.ok) break;
          await expect.poll(() => log.health(), { interval: 5, timeout: 10_000 }).toEqual({ ok: true, detail: "" });
        }
        appended.push(commandId);
      }
    });
    for (let kill = 0; kill < 5; kill++) {
      const before = appended.length;
      await expect.poll(() => appended.length, { timeout: 10_000, interval: 2 }).toBeGreaterThan(before + 200);
      await server.kill();
      await server.restart();
    }
    isKilling = false;
    await Promise.all(writers);
    expect(failed).toBeGreaterThan(0);
    const all = await log.readAll(0, appended.length + 1);
    expect(all.map(({ record }) => record.commandId).sort()).toEqual([...appended].sort());
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(appended.length);
    expect(seen).toEqual(all.map(({ record }) => record.commandId));
  }, 60_000);

  test("while the server is away appends and health say so at once; afterwards all goes on", async () => {
    const server = await start();
    const log = await open(server);
    await log.append("quote-a", 0, recordOf("c1", like));
    const seen = followed(log);
    await server.kill();
    await expect.poll(() => log.health(), { interval: 5, timeout: 5000 }).toMatchObject({ ok: false });
    const beforeMs = performance.now();
    await expect(log.append("quote-a", 1, recordOf("c2", like))).rejects.toThrow(LogUnavailable);
    await expect(log.append("quote-a", 1, recordOf("c2", like))).rejects.toThrow(/^event log nats:\/\/127\.0\.0\.1:/);
    await expect(log.head()).rejects.toThrow(LogUnavailable);
    expect(performance.now() - beforeMs).toBeLessThan(1000);
    await server.restart();
    await expect.poll(() => log.health(), { timeout: 5000 }).toEqual({ ok: true, detail: "" });
    expect(await log.append("quote-a", 1, recordOf("c2", like))).toMatchObject({ ok: true, version: 2 });
    await expect.poll(() => seen, { timeout: 5000 }).toEqual(["c1", "c2"]);
  }, 30_000);

  test("an append that was cut off is found by its repeat, and its follower sees it once", async () => {
    const server = await start();
    const log = await open(server);
    const seen = followed(log);
    const commandIds: string[] = [];
    const next = () => {
      commandIds.push(`c${commandIds.length}`);
      return log.append("quote-a", commandIds.length - 1, recordOf(commandIds.at(-1) ?? "", like));
    };
    process.kill(server.pid, "SIGSTOP");
    // A process with many threads may still answer for a moment.
    const untilCutOff = async () => {
      for (;;) await next();
    };
    await expect(untilCutOff()).rejects.toThrow("no acknowledgement within 2000 ms");
    expect(await log.health()).toMatchObject({ ok: false, detail: expect.stringContaining("no answer in time") });
    process.kill(server.pid, "SIGCONT");
    const count = commandIds.length;
    const repeat = () => log.append("quote-a", count - 1, recordOf(`c${count - 1}`, like)).catch(() => undefined);
    await expect.poll(repeat, { timeout: 10_000 }).toMatchObject({ ok: true, version: count, position: count });
    expect(await log.head()).toBe(count);
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(commandIds);
  }, 30_000);

  test("a follower goes on after its consumer was removed", async () => {
    const server = await start();
    const streamName = newStreamName();
    const log = await open(server, streamName);
    const seen = followed(log);
    await log.append("quote-a", 0, recordOf("c1", like));
    await expect.poll(() => seen, { timeout: 5000 }).toEqual(["c1"]);
    const { jetstreamManager } = await import("@nats-io/jetstream");
    const stranger = await connectBeside(server.url, streamName);
    const jsm = await jetstreamManager(stranger);
    for await (const { name } of jsm.consumers.list(streamName)) await jsm.consumers.delete(streamName, name);
    await stranger.close();
    await log.append("quote-a", 1, recordOf("c2", like));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(["c1", "c2"]);
  });

  test("a log that starts before its server works as soon as the server is there", async () => {
    const url = await unusedNatsUrl();
    const log = await open({ url });
    expect(await log.health()).toMatchObject({ ok: false, detail: expect.stringContaining(url) });
    await expect(log.append("quote-a", 0, recordOf("c1", like))).rejects.toThrow(LogUnavailable);
    const seen = followed(log);
    await start(["-js", "-p", new URL(url).port]);
    await expect.poll(() => log.health(), { timeout: 5000 }).toEqual({ ok: true, detail: "" });
    await log.append("quote-a", 0, recordOf("c1", like));
    await expect.poll(() => seen, { timeout: 5000 }).toEqual(["c1"]);
  });

  test.each([
    ["has no JetStream", [], undefined, /JetStream is not enabled; start nats-server with `-js/],
    ["wants a user", ["-js", "--user", "me", "--pass", "s3cret"], undefined, /does not let us in .*NATS_URL/],
  ])("a server that %s is one sentence with what to do", async (_, args, __, sentence) => {
    const server = await start(args);
    const opening = openLog(JSON.stringify({ url: server.url, streamName: newStreamName() }));
    await expect(opening).rejects.toThrow(sentence);
  });

  test("a user and password in NATS_URL let us in", async () => {
    const server = await start(["-js", "--user", "me", "--pass", "s3cret"]);
    const log = await open({ url: server.url.replace("//", "//me:s3cret@") });
    expect(await log.append("quote-a", 0, recordOf("c1", like))).toMatchObject({ ok: true });
  });

  test("a stream that would forget events is refused, and one that was removed is not made anew", async () => {
    const server = await start();
    const streamName = newStreamName();
    const { jetstreamManager } = await import("@nats-io/jetstream");
    const stranger = await connectBeside(server.url, streamName);
    ends.push(() => stranger.close());
    const jsm = await jetstreamManager(stranger);
    await jsm.streams.add({ name: streamName, subjects: ["test.other"], max_age: 1e12 });
    const opening = openLog(JSON.stringify({ url: server.url, streamName }));
    await expect(opening).rejects.toThrow(/max_age is 1000000000000 instead of 0 .*`ferry events apply` changes it/);
    await jsm.streams.delete(streamName);
    const log = await open(server, streamName);
    await jsm.streams.delete(streamName);
    await expect(log.append("quote-a", 0, recordOf("c1", like))).rejects.toThrow("no stream takes its subject");
    expect(await log.health()).toMatchObject({ ok: false, detail: expect.stringContaining("stream not found") });
    await server.kill();
    await server.restart();
    await expect
      .poll(async () => (await log.health()).detail, { timeout: 5000 })
      .toContain("the stream is gone; restore it, or make an empty one with `ferry events apply`");
  }, 20_000);

  test("a full stream refuses, and says which setting to raise", async () => {
    const server = await start();
    const options = logOptions(server.url, newStreamName());
    const small = { ...options.stream, maxBytes: 20_000 };
    const log = await JetStreamEventLog.open({ ...options, stream: small, clock: systemClock, random: systemRandom });
    ends.push(() => log.close());
    const filling = async () => {
      for (let i = 0; i < 200; i++) await log.append(`quote-${i}`, 0, recordOf(`c${i}`, like));
    };
    await expect(filling()).rejects.toThrow("the stream is full; raise FERRY_EVENTS_MAX_BYTES");
    expect(await log.readAll(0, 1)).toHaveLength(1);
  });
});

describe("what others put on the subjects", () => {
  test("a stranger's message stops nobody: it has no events, and versions go on behind it", async () => {
    const server = await startNats();
    const fixture = await jetStreamLogFixture(server);
    try {
      const log = await fixture.open();
      await log.append("quote-a", 0, recordOf("c1", like));
      const stranger = await connectBeside(server.url, fixture.streamName);
      stranger.publish(`${fixture.streamName.toLowerCase().replaceAll("_", ".")}.quote-a`, "not ours");
      await stranger.drain();
      await expect.poll(() => log.head(), { timeout: 5000 }).toBe(2);
      expect(await log.append("quote-a", 1, recordOf("c2", like))).toMatchObject({ ok: true, version: 2, position: 3 });
      const fresh = await fixture.open();
      expect(await fresh.streamVersion("quote-a")).toBe(2);
      expect((await fresh.readStream("quote-a")).map(({ version }) => version)).toEqual([1, 2]);
      const all = await fresh.readAll(0, 10);
      expect(all.map(({ version, record }) => [version, record.events.length])).toEqual([
        [1, 1],
        [0, 0],
        [2, 1],
      ]);
    } finally {
      await fixture.remove();
      await server.remove();
    }
  });

  test("a repeat of the last command gets the first answer, also from a server that was restarted", async () => {
    const server = await startNats();
    const fixture = await jetStreamLogFixture(server);
    try {
      const first = await (await fixture.open()).append("quote-a", 0, recordOf("c1", like));
      expect(await (await fixture.open()).append("quote-a", 0, recordOf("c1", like))).toEqual(first);
      expect(await (await fixture.open()).append("quote-b", 0, recordOf("c1", like))).toMatchObject({ position: 2 });
      await server.kill();
      await server.restart();
      expect(await (await fixture.open()).append("quote-a", 0, recordOf("c1", like))).toEqual(first);
    } finally {
      await fixture.remove();
      await server.remove();
    }
  });
});
