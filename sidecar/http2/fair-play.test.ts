// What well-behaved peers do is not punished, however often they do it: the other side of limits.test.ts.

import { describe, expect, test } from "vitest";
import { ErrorCode } from "./error-code.ts";
import {
  dataFrame,
  FramePeer,
  frame,
  getRequest,
  headersFrame,
  ok,
  postRequest,
  uint32,
} from "./testing/frame-peer.ts";
import { ScriptedBody, scriptedServer } from "./testing/scripted-server.ts";
import { cancel, serverAndPeer } from "./testing/server-and-peer.ts";

describe("what well-behaved peers do is not punished", () => {
  test("a client that gives up a thousand calls at once, once", async () => {
    const { server, peer } = await serverAndPeer();
    for (let i = 0; i < 999; i++) peer.send(headersFrame(2 * i + 1, getRequest, { end: true }));
    await peer.settled();
    await server.clock.advance(1);
    for (let i = 0; i < 999; i++) peer.send(cancel(2 * i + 1));
    await peer.settled();
    expect(server.forcedCloses).toEqual([]);
  });

  test("a client that pings every second without anything else, for an hour", async () => {
    const { server, peer } = await serverAndPeer({ idleMs: 0, maxAgeMs: 0 });
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    for (let second = 0; second < 3600; second += 4) {
      await server.clock.advance(4000);
      for (let i = 0; i < 4; i++) peer.send(frame("PING", 0, 0, Buffer.alloc(8)));
    }
    await peer.settled();
    expect(server.forcedCloses).toEqual([]);
  });

  test("a client that gives back every DATA frame on its stream and on the connection, 3,000 times", async () => {
    const body = new ScriptedBody();
    const { server, peer } = await serverAndPeer(
      {},
      {
        onRequest(stream) {
          stream.respond(ok, false);
          stream.sendBody(body);
        },
      },
    );
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    for (let i = 0; i < 3000; i++) {
      body.push(40);
      peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(40)), frame("WINDOW_UPDATE", 0, 0, uint32(40)));
      if (i % 100 === 99) await peer.settled();
    }
    expect(server.forcedCloses).toEqual([]);
  });

  test("a client that resets every stream after its response, 3,000 times", async () => {
    const server = await scriptedServer((stream) => stream.respond(ok, true));
    const peer = await FramePeer.connect(server.port);
    for (let i = 0; i < 3000; i++) {
      peer.send(headersFrame(2 * i + 1, getRequest, { end: true }));
      if (i % 100 !== 99) continue;
      await peer.settled();
      for (let done = i - 99; done <= i; done++)
        peer.send(cancel(2 * done + 1), frame("WINDOW_UPDATE", 0, 2 * done + 1, uint32(9)));
    }
    await peer.settled();
    expect(server.forcedCloses).toEqual([]);
    peer.close();
    await server.listening.drain(0);
  });

  test("an estimator's PING with every DATA, 3,000 times", async () => {
    const { server, peer } = await serverAndPeer();
    peer.send(headersFrame(1, postRequest));
    for (let i = 0; i < 3000; i++) {
      peer.send(dataFrame(1, 1), frame("PING", 0, 0, Buffer.alloc(8)));
      if (i % 100 === 99) await peer.settled();
    }
    expect(server.forcedCloses).toEqual([]);
  });

  test("an estimator's PING with every DATA that we send, 3,000 times", async () => {
    const body = new ScriptedBody();
    const server = await scriptedServer((stream) => {
      stream.respond(ok, false);
      stream.sendBody(body);
    });
    const peer = await FramePeer.connect(server.port);
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    for (let i = 0; i < 3000; i++) {
      // Two, since `settled` pings as well.
      body.push(1);
      body.push(1);
      peer.send(frame("PING", 0, 0, Buffer.alloc(8)));
      if (i % 20 === 19) await peer.settled();
    }
    expect(server.forcedCloses).toEqual([]);
    peer.close();
    await server.listening.drain(0);
  });

  test("DATA under way on streams that we reset, however many", async () => {
    const server = await scriptedServer((stream) => stream.reset(ErrorCode.CANCEL));
    const peer = await FramePeer.connect(server.port);
    for (let i = 0; i < 2500; i++) {
      peer.send(headersFrame(2 * i + 1, postRequest), dataFrame(2 * i + 1, 10));
      if (i % 100 === 99) await peer.settled();
    }
    expect(server.forcedCloses).toEqual([]);
    peer.close();
    await server.listening.drain(0);
  });
});
