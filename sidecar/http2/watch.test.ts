// What must not last for ever, in both roles, with time moved by the test: silence, idleness, age, a header that never
// ends, a stream whose peer takes nothing. Reasons are asserted in GOAWAY's text and as told to whoever counts.

import { describe, expect, onTestFinished, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { plaintextDialer } from "../transport/dial.ts";
import { ErrorCode, type StreamError } from "./error-code.ts";
import { clientPreface, Flag } from "./frames.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import type { ServerStream } from "./server.ts";
import {
  block,
  FramePeer,
  frame,
  getRequest,
  headersFrame,
  ok,
  type PeerOptions,
  postRequest,
  settingsFrame,
  uint32,
} from "./testing/frame-peer.ts";
import { ScriptedBody, scriptedServer } from "./testing/scripted-server.ts";

interface SetUp {
  readonly handler?: (stream: ServerStream) => void;
  readonly limits?: Partial<Limits>;
  readonly peer?: PeerOptions;
}

/** A server of ours and a peer as its client. */
async function serving({ handler, limits = {}, peer: peerOptions = {} }: SetUp = {}) {
  const server = await scriptedServer(handler, { limits, random: () => 0.5 });
  const peer = await FramePeer.connect(server.port, peerOptions);
  onTestFinished(async () => {
    peer.close();
    await server.listening.drain(0);
  });
  return { server, peer, refusals: server.refusals, clock: server.clock };
}

/** A client of ours and a peer as its server. */
async function calling(limits: Partial<Limits> = {}, peerOptions: PeerOptions = {}) {
  const listening = await FramePeer.listen(peerOptions);
  const clock = new TestingClock();
  const reasons: string[] = [];
  const dial = plaintextDialer(clock, { limits, onForcedClose: (reason) => reasons.push(reason) });
  const client = await dial("127.0.0.1", listening.port, 1000);
  const peer = await listening.peer;
  onTestFinished(() => {
    client.destroy();
    peer.close();
    listening.close();
  });
  const errors: StreamError[] = [];
  const get = () =>
    client.request(getRequest, undefined, {
      head() {},
      failed: (error) => errors.push(error),
      ended() {},
    });
  await peer.settled();
  return { client, peer, clock, reasons, errors, get };
}

const pings = (peer: FramePeer) => peer.seen.filter(({ type, flags }) => type === "PING" && flags === 0);

describe("a connection without streams", () => {
  test("is let go after 5 minutes by GOAWAY in two steps with debug max_idle", async () => {
    const { server, peer, clock } = await serving({ peer: { answersPings: true } });
    await peer.settled();
    await clock.advance(defaultLimits.idleMs - 1000);
    expect(server.forcedCloses).toEqual([]);
    await clock.advance(61_000);
    expect(await peer.next("GOAWAY")).toMatchObject({ lastStreamId: 2 ** 31 - 1, code: 0, debug: "max_idle" });
    expect(await peer.next("GOAWAY")).toMatchObject({ lastStreamId: 0, code: 0, debug: "max_idle" });
    await peer.closed;
    expect(server.forcedCloses).toEqual(["max_idle"]);
  });

  test("is idle from the end of its last stream on; a stream without traffic is use, PINGs are not", async () => {
    const { server, peer, clock } = await serving({ peer: { answersPings: true } });
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    await clock.advance(3 * defaultLimits.idleMs);
    await peer.settled();
    expect(server.forcedCloses).toEqual([]);
    server.requests[0]!.respond(ok, true);
    await peer.next("HEADERS");
    for (let minutes = 0; minutes < 4; minutes++) {
      await clock.advance(60_000);
      await peer.settled();
    }
    expect(server.forcedCloses).toEqual([]);
    await clock.advance(130_000);
    expect((await peer.next("GOAWAY")).debug).toBe("max_idle");
  });
});

describe("an old connection", () => {
  test.each([
    [0, 54],
    [0.5, 60],
    [0.999_999, 66],
  ])("with chance %d is let go after %d minutes, and its streams go on", async (chance, minutes) => {
    const server = await scriptedServer(undefined, { random: () => chance });
    const peer = await FramePeer.connect(server.port, { answersPings: true });
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    await server.clock.advance((minutes - 1) * 60_000);
    expect(server.forcedCloses).toEqual([]);
    await server.clock.advance(61_000);
    const first = await peer.next("GOAWAY");
    const last = await peer.next("GOAWAY");
    expect([first.debug, first.lastStreamId, last.debug, last.lastStreamId]).toEqual([
      "max_age",
      2 ** 31 - 1,
      "max_age",
      1,
    ]);
    await server.clock.advance(3_600_000);
    server.requests[0]!.respond(ok, true);
    expect((await peer.next("HEADERS")).id).toBe(1);
    await peer.closed;
    expect(server.forcedCloses).toEqual(["max_age"]);
    await server.listening.drain(0);
  });

  test("with a grace cuts off the streams that go on after it", async () => {
    const { server, peer, clock } = await serving({
      limits: { maxAgeMs: 60_000, ageGraceMs: 10_000 },
      peer: { answersPings: true },
    });
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    await clock.advance(60_000);
    await peer.next("GOAWAY");
    await peer.next("GOAWAY");
    await clock.advance(10_000);
    expect(await peer.next("GOAWAY")).toMatchObject({ code: 0, debug: expect.stringMatching(/^max_age_grace: /) });
    expect(server.forcedCloses).toEqual(["max_age", "max_age_grace"]);
  });

  test("tells a client whose stream identifiers run out to go on elsewhere", async () => {
    const { server, peer } = await serving({
      handler: (stream) => stream.respond(ok, true),
      limits: { maxStreamsPerConnection: 10 },
      peer: { answersPings: true },
    });
    peer.send(headersFrame(19, getRequest, { end: true }), headersFrame(21, getRequest, { end: true }));
    expect((await peer.next("GOAWAY")).debug).toMatch(/^max_streams: /);
    expect((await peer.next("GOAWAY")).lastStreamId).toBe(21);
    await peer.closed;
    expect(server.requests.length).toBe(2);
  });

  test("of ours is left when its stream identifiers run out, and what runs ends well", async () => {
    const { client, peer, get, errors } = await calling({ maxStreamsPerConnection: 2 });
    let draining = 0;
    client.onDraining(() => draining++);
    get();
    expect(client.available).toBeGreaterThan(0);
    get();
    get();
    expect([client.available, client.state, draining]).toEqual([0, "draining", 1]);
    await peer.settled();
    for (const id of [1, 3, 5]) peer.send(headersFrame(id, ok, { end: true }));
    await peer.closed;
    expect(errors).toEqual([]);
  });

  test("of ours is left after many cancels, before the server's limit of them ends it for everybody", async () => {
    const { client, peer, clock, get, errors, reasons } = await calling({ cancelBurst: 2, cancelsPerSecond: 1 });
    get();
    get().cancel(ErrorCode.CANCEL);
    get().cancel(ErrorCode.CANCEL);
    await clock.advance(1000);
    get().cancel(ErrorCode.CANCEL);
    expect([client.state, reasons]).toEqual(["open", []]);
    get().cancel(ErrorCode.CANCEL);
    expect([client.state, client.available, reasons]).toEqual(["draining", 0, ["cancels"]]);
    await peer.settled();
    peer.send(headersFrame(1, ok, { end: true }));
    await peer.closed;
    expect(errors.map(({ code }) => code)).toEqual(Array(4).fill(ErrorCode.CANCEL));
  });
});

describe("a silent peer", () => {
  test("a client is asked by PING after 2 minutes, with or without streams, and lives if it answers", async () => {
    const { server, peer, clock } = await serving({ peer: { answersPings: true } });
    await peer.settled();
    await clock.advance(defaultLimits.serverKeepaliveMs - 1000);
    expect(pings(peer).length).toBe(0);
    await clock.advance(61_000);
    await peer.next("PING");
    await peer.settled();
    await clock.advance(defaultLimits.keepaliveTimeoutMs + 60_000);
    expect(server.forcedCloses).toEqual([]);
  });

  test("a client that does not answer in 20 s is closed, and its requests are cancelled", async () => {
    const { server, peer, clock } = await serving();
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    const told: StreamError[] = [];
    server.requests[0]!.onAbort((error) => told.push(error));
    await clock.advance(defaultLimits.serverKeepaliveMs + 60_000);
    await clock.advance(defaultLimits.keepaliveTimeoutMs);
    expect(server.forcedCloses).toEqual(["keepalive_timeout"]);
    expect(told).toMatchObject([{ code: ErrorCode.CANCEL, initiator: "connection" }]);
    await peer.closed;
  });

  test("a server is not asked while no call waits for it", async () => {
    const { peer, clock, reasons } = await calling();
    await clock.advance(2 * 3_600_000);
    await peer.settled();
    expect([pings(peer), reasons]).toEqual([[], []]);
  });

  test("a server is asked at most every 5 minutes while a call waits", async () => {
    const { peer, clock, get, reasons } = await calling({}, { answersPings: true });
    get();
    await peer.settled();
    for (let minutes = 0; minutes < 20; minutes++) {
      await clock.advance(60_000);
    }
    await peer.settled();
    expect(pings(peer).length).toBeGreaterThanOrEqual(2);
    expect(pings(peer).length).toBeLessThanOrEqual(4);
    expect(reasons).toEqual([]);
  });

  test("a server that does not answer is lost: calls fail by the connection, not as never processed", async () => {
    const { peer, client, clock, get, reasons, errors } = await calling();
    get();
    await peer.settled();
    await clock.advance(defaultLimits.clientKeepaliveMs + 60_000);
    await clock.advance(defaultLimits.keepaliveTimeoutMs);
    expect(reasons).toEqual(["keepalive_timeout"]);
    expect(errors).toMatchObject([{ initiator: "connection", neverProcessed: false }]);
    await peer.closed;
    expect(client.available).toBe(0);
  });

  test("an answer to our PING, and one that nobody asked for, provoke no reply", async () => {
    const { peer } = await serving();
    await peer.settled();
    const before = peer.seen.length;
    for (let i = 0; i < 50; i++) peer.send(frame("PING", Flag.ACK, 0, Buffer.alloc(8, i)));
    peer.send(frame("SETTINGS", Flag.ACK, 0));
    await peer.settled();
    expect(peer.seen.length - before).toBe(2);
  });
});

describe("a header that never ends", () => {
  const head = frame("HEADERS", Flag.END_HEADERS | Flag.END_STREAM, 1, block(getRequest));
  const trickles: [string, Buffer[]][] = [
    ["half a frame's header", [head.subarray(0, 5)]],
    ["half a HEADERS frame", [head.subarray(0, 12)]],
    ["HEADERS without END_HEADERS", [frame("HEADERS", 0, 1, block(getRequest))]],
    ["half a PING", [frame("PING", 0, 0, Buffer.alloc(8)).subarray(0, 12)]],
  ];
  test.each(trickles)("%s closes after 10 to 15 s with header_timeout", async (_what, sent) => {
    const { server, peer, clock } = await serving();
    await peer.settled();
    for (const part of sent) peer.send(part);
    await peer.delivered();
    await clock.advance(9999);
    expect(server.forcedCloses).toEqual([]);
    await clock.advance(5001);
    expect(await peer.next("GOAWAY")).toMatchObject({
      code: ErrorCode.ENHANCE_YOUR_CALM,
      debug: expect.stringMatching(/^header_timeout: /),
    });
    expect(server.forcedCloses).toEqual(["header_timeout"]);
  });

  test("CONTINUATION frames that come one at a time do not give it more time", async () => {
    const { server, peer, clock } = await serving();
    await peer.settled();
    peer.send(frame("HEADERS", 0, 1, block(getRequest)));
    for (let i = 0; i < 6; i++) {
      await peer.delivered();
      await clock.advance(2500);
      peer.send(frame("CONTINUATION", 0, 1));
    }
    expect(server.forcedCloses).toEqual(["header_timeout"]);
  });

  test("frames that each come in two parts, but come, are no trickle", async () => {
    const { server, peer, clock } = await serving({ handler: (stream) => stream.respond(ok, true) });
    await peer.settled();
    for (let i = 0; i < 8; i++) {
      const whole = headersFrame(2 * i + 1, getRequest, { end: true });
      peer.send(whole.subarray(0, 11));
      await peer.delivered();
      await clock.advance(4000);
      peer.send(whole.subarray(11));
      await peer.next("HEADERS");
    }
    expect(server.forcedCloses).toEqual([]);
  });

  test("of a server's response ends the client's connection too", async () => {
    const { peer, clock, get, reasons } = await calling();
    get();
    await peer.settled();
    peer.send(frame("HEADERS", 0, 1, block(ok)));
    await peer.delivered();
    await clock.advance(15_001);
    expect(reasons).toEqual(["header_timeout"]);
  });

  test("in the phase of preface and SETTINGS falls under the handshake's timeout", async () => {
    const { server, peer, clock } = await serving({ peer: { isSilent: true } });
    peer.send(clientPreface, settingsFrame().subarray(0, 4));
    await peer.next("SETTINGS");
    await clock.advance(defaultLimits.handshakeMs);
    expect(server.forcedCloses).toEqual(["handshake_timeout"]);
  });
});

describe("a stream with DATA waiting", () => {
  async function stalling(windowBytes: number, peerOptions: PeerOptions = {}) {
    const bodies: ScriptedBody[] = [];
    const made = await serving({
      handler(stream) {
        const body = new ScriptedBody();
        bodies.push(body);
        stream.respond(ok, false);
        stream.sendBody(body);
      },
      peer: { settings: [[4, windowBytes]], answersPings: true, ...peerOptions },
    });
    made.peer.send(headersFrame(1, getRequest, { end: true }));
    await made.peer.next("HEADERS");
    bodies[0]!.push(200_000);
    return { ...made, body: bodies[0]! };
  }

  test("of which nothing is taken for 2 minutes is reset, and the connection goes on", async () => {
    const { server, peer, clock, body, refusals } = await stalling(0);
    await clock.advance(defaultLimits.sendStallMs - 1000);
    expect(refusals).toEqual([]);
    await clock.advance(11_000);
    expect(await peer.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.ENHANCE_YOUR_CALM });
    expect([refusals, server.forcedCloses, body.cancelled]).toEqual([["send_stall"], [], ErrorCode.CANCEL]);
    peer.send(headersFrame(3, getRequest, { end: true }));
    expect((await peer.next("HEADERS")).id).toBe(3);
  });

  test("is not kept by a window that drips an octet every 10 s", async () => {
    const { peer, clock, refusals } = await stalling(0);
    for (let second = 0; second < defaultLimits.sendStallMs / 1000 + 10; second += 10) {
      await clock.advance(10_000);
      peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(1)));
      await peer.settled();
    }
    expect(refusals).toEqual(["send_stall"]);
    expect(peer.dataBytes(1)).toBeLessThan(20);
  });

  test("of which a slow reader takes 1,024 octets a minute goes on", async () => {
    const { peer, clock, refusals } = await stalling(0);
    for (let minute = 0; minute < 20; minute++) {
      await clock.advance(60_000);
      peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(1024)));
      await peer.settled();
    }
    expect(refusals).toEqual([]);
  });

  test("that a server does not take is reset with CANCEL", async () => {
    const { client, peer, clock } = await calling({}, { settings: [[4, 0]], answersPings: true });
    const body = new ScriptedBody();
    const errors: StreamError[] = [];
    client.request(postRequest, body, {
      head() {},
      failed: (error) => errors.push(error),
      ended() {},
    });
    body.push(10_000);
    await peer.settled();
    await clock.advance(defaultLimits.sendStallMs + 10_000);
    expect(await peer.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.CANCEL });
    expect(errors).toMatchObject([
      { code: ErrorCode.ENHANCE_YOUR_CALM, initiator: "us", message: expect.stringContaining("send_stall") },
    ]);
  });
});
