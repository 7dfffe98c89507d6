// The last word of a connection arrives by TLS as it does in plaintext: GOAWAY before the end.

import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { ErrorCode } from "../http2/error-code.ts";
import { FramePeer, frame } from "../http2/testing/frame-peer.ts";
import { listenTls, tlsClient } from "./testing/tls-fixture.ts";

// Over 200 ms: a hundred handshakes.
test("a peer that breaks a rule reads GOAWAY before the connection ends, in 100 of 100 runs", async () => {
  const { listening, closes } = await listenTls();
  for (let run = 0; run < 100; run++) {
    const socket = tlsClient(listening.port);
    await once(socket, "secureConnect");
    const peer = new FramePeer(socket, false);
    // More input follows what is wrong, so that a close by us would reset the connection.
    peer.send(
      frame("DATA", 0, 0, Buffer.alloc(10)),
      ...Array.from({ length: 20 }, () => frame("PING", 0, 0, "00".repeat(8))),
    );
    expect((await peer.next("GOAWAY")).code).toBe(ErrorCode.PROTOCOL_ERROR);
    await once(socket, "end");
    peer.close();
  }
  expect(closes.length).toBe(100);
  await listening.drain(0);
});

test("a drain is GOAWAY, PING, GOAWAY, and ends when the peer has answered", async () => {
  const { listening, closes } = await listenTls();
  const socket = tlsClient(listening.port);
  await once(socket, "secureConnect");
  const peer = new FramePeer(socket, false);
  await peer.settled();
  const drained = listening.drain(10_000);
  expect((await peer.next("GOAWAY")).lastStreamId).toBe(2 ** 31 - 1);
  const ping = await peer.next("PING");
  peer.send(frame("PING", 1, 0, ping.payload));
  expect((await peer.next("GOAWAY")).lastStreamId).toBe(0);
  await once(socket, "end");
  socket.end();
  await drained;
  expect(closes).toEqual([]);
});

test("a client that connects while the listener drains is refused", async () => {
  const { listening } = await listenTls();
  await listening.drain(0);
  const socket = connect(listening.port, "127.0.0.1");
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  expect(error.code).toBe("ECONNREFUSED");
});

test("a handshake that ends while the listener drains becomes a connection that is told to go away", async () => {
  const clock = new TestingClock();
  const { listening } = await listenTls({}, { clock });
  const raw = connect(listening.port, "127.0.0.1");
  await expect.poll(() => clock.pendingTimers).toBe(1);
  const drained = listening.drain(10_000);
  const socket = tlsClient(listening.port, { socket: raw });
  await once(socket, "secureConnect");
  const peer = new FramePeer(socket, false);
  expect((await peer.next("GOAWAY")).lastStreamId).toBe(2 ** 31 - 1);
  peer.close();
  await drained;
  expect([listening.connections, clock.pendingTimers]).toEqual([0, 0]);
});
