// Conflicts with other instances, told by a log that a test scripts; time stands still.

import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import {
  type CommandRecord,
  QuoteLikedSchema,
  QuoteRetractedSchema,
  QuoteSubmittedSchema,
} from "../../gen/quoter/events/v1/events_pb.ts";
import type { QuoterEvent } from "../events/codec.ts";
import type { AppendResult, EventLog, LoggedRecord } from "../events/event-log.ts";
import { KeptAggregates } from "./aggregate.ts";
import type { QuoteCommand } from "./decide.ts";
import { type Envelope, recordOf } from "./envelope.ts";
import { commandHandler } from "./handle-command.ts";
import { quoteIdOf, quoteStream } from "./quote-id.ts";

const quoteId = quoteIdOf("c-1");
const like: QuoteCommand = { type: "like", quoteId };
const submitted = create(QuoteSubmittedSchema, { quoteId, text: "t", author: "a" });
const liked = create(QuoteLikedSchema, { quoteId });
const retracted = create(QuoteRetractedSchema, { quoteId, reason: "" });
const never = () => new AbortController().signal;

function envelope(commandId: string): Envelope {
  return { commandId, correlationId: commandId, causationId: "", traceparent: "" };
}

/** A log in memory that lets `meanwhile` change a stream just before each append. */
class ScriptedLog implements EventLog {
  readonly records: LoggedRecord[] = [];
  reads: [stream: string, fromVersion: number][] = [];
  meanwhile: () => void = () => {};

  write(commandId: string, event: QuoterEvent, stream = quoteStream(quoteId)): AppendResult {
    const record = recordOf(envelope(commandId), [event], 0);
    return this.#add(stream, record);
  }

  #add(stream: string, record: CommandRecord): AppendResult {
    const version = this.records.filter((logged) => logged.stream === stream).length + 1;
    const position = this.records.length + 1;
    this.records.push({ position, stream, version, record });
    return { ok: true, position, version };
  }

  async append(stream: string, expectedVersion: number, record: CommandRecord): Promise<AppendResult> {
    this.meanwhile();
    const actualVersion = this.records.filter((logged) => logged.stream === stream).length;
    return actualVersion === expectedVersion ? this.#add(stream, record) : { ok: false, conflict: { actualVersion } };
  }

  async readStream(stream: string, fromVersion = 1, limit = Number.MAX_SAFE_INTEGER): Promise<readonly LoggedRecord[]> {
    this.reads.push([stream, fromVersion]);
    return this.records.filter((it) => it.stream === stream && it.version >= fromVersion).slice(0, limit);
  }

  streamVersion = () => Promise.reject(new Error("not asked for"));
  readAll = () => Promise.reject(new Error("not asked for"));
  head = () => Promise.reject(new Error("not asked for"));
  follow = () => Promise.reject(new Error("not asked for"));
  health = async () => ({ ok: true, detail: "" });
  close = async () => {};
}

function given(...events: QuoterEvent[]) {
  const log = new ScriptedLog();
  events.forEach((event, i) => {
    log.write(`c-${i + 1}`, event);
  });
  const clock = new TestingClock();
  return { log, clock, handle: commandHandler({ log, clock, random: () => 0.5 }) };
}

describe("a command that meets a change by another instance", () => {
  test("is decided again on what is there then, after a pause", async () => {
    const { log, clock, handle } = given(submitted);
    log.meanwhile = () => {
      log.meanwhile = () => {};
      log.write("x", liked);
    };
    const handled = handle(like, envelope("l-1"), never);
    await clock.advance(100);
    expect(await handled).toEqual({ position: 3 });
  });

  test("is refused when the change forbids it", async () => {
    const { log, clock, handle } = given(submitted);
    log.meanwhile = () => {
      log.meanwhile = () => {};
      log.write("x", retracted);
    };
    const handled = handle(like, envelope("l-1"), never);
    await clock.advance(100);
    expect(await handled).toMatchObject({ refused: "failed-precondition" });
  });

  test("gets the first answer when the change was the same command, retried elsewhere", async () => {
    const { log, clock, handle } = given(submitted);
    log.meanwhile = () => {
      log.meanwhile = () => {};
      log.write("l-1", liked);
    };
    const handled = handle(like, envelope("l-1"), never);
    await clock.advance(100);
    expect(await handled).toEqual({ position: 2 });
    expect(log.records.length).toBe(2);
  });

  test("gives up after 10 attempts that all met one", async () => {
    const { log, clock, handle } = given(submitted);
    let others = 0;
    log.meanwhile = () => log.write(`x-${others++}`, liked);
    const handled = handle(like, envelope("l-1"), never);
    await clock.advance(10_000);
    expect(await handled).toMatchObject({ refused: "conflict", message: expect.stringContaining("10 attempts") });
    expect(others).toBe(10);
  });

  test("stops waiting when its caller is gone", async () => {
    const { log, handle } = given(submitted);
    log.meanwhile = () => log.write("x", liked);
    await expect(handle(like, envelope("l-1"), () => AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
  });
});

describe("commands for one quote", () => {
  test("that come together run one after the other and never conflict", async () => {
    const { log, clock, handle } = given(submitted);
    const handled = Array.from({ length: 50 }, (_, i) => handle(like, envelope(`l-${i}`), never));
    expect(await Promise.all(handled)).toEqual(handled.map((_, i) => ({ position: i + 2 })));
    expect(clock.pendingTimers).toBe(0);
    expect(log.records.length).toBe(51);
  });

  test("read only what is new since the command before", async () => {
    const { log, handle } = given(submitted, liked, liked);
    await handle(like, envelope("l-1"), never);
    await handle(like, envelope("l-2"), never);
    expect(log.reads.map(([, fromVersion]) => fromVersion)).toEqual([1, 4]);
  });
});

describe("kept aggregates", () => {
  test("forget the least recently used when they remember too many commands, and read it again", async () => {
    const log = new ScriptedLog();
    for (const stream of ["a", "b", "c"]) for (let i = 0; i < 4; i++) log.write(`${stream}-${i}`, liked, stream);
    const kept = new KeptAggregates(log, 8);
    for (const stream of ["a", "b", "a", "c", "a", "b"]) await kept.load(stream);
    expect(log.reads.map(([stream, from]) => `${stream}${from}`)).toEqual(["a1", "b1", "a5", "c1", "a5", "b1"]);
  });

  test("keep one that is bigger than all may be, and nothing of a stream that is empty", async () => {
    const log = new ScriptedLog();
    for (let i = 0; i < 20; i++) log.write(`a-${i}`, liked, "a");
    const kept = new KeptAggregates(log, 8);
    for (const stream of ["a", "none", "a", "none"]) await kept.load(stream);
    expect(log.reads.map(([stream, from]) => `${stream}${from}`)).toEqual(["a1", "none1", "a21", "none1"]);
  });
});
