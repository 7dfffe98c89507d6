import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { FramePeer } from "../http2/testing/frame-peer.ts";
import { listenHttp2 } from "./listen.ts";

const options = { host: "127.0.0.1", port: 0, clock: systemClock, onRequest() {} };

test("a port that is taken rejects with the operating system's error", async () => {
  const first = await listenHttp2(options);
  await expect(listenHttp2({ ...options, port: first.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await first.drain(0);
});

test("close stops accepting at once and leaves open connections alone", async () => {
  const listening = await listenHttp2(options);
  const peer = await FramePeer.connect(listening.port);
  await peer.settled();
  await listening.close();
  const refused = await new Promise<string>((resolve) => {
    connect(listening.port, "127.0.0.1").on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
  expect(refused).toBe("ECONNREFUSED");
  await peer.settled();
  expect(listening.connections).toBe(1);
  const drained = listening.drain(10_000);
  await peer.next("GOAWAY");
  peer.close();
  await drained;
  expect(listening.connections).toBe(0);
});

test("connections above the cap are dropped, and counted", async () => {
  const reasons: string[] = [];
  const onForcedClose = (reason: string) => reasons.push(reason);
  const listening = await listenHttp2({ ...options, onForcedClose, limits: { maxConnections: 1 } });
  const first = await FramePeer.connect(listening.port);
  await first.settled();
  const second = await FramePeer.connect(listening.port);
  await second.closed;
  await first.settled();
  expect(reasons).toEqual(["connections"]);
  first.close();
  await listening.drain(0);
});

test("connections above the cap of one client address are closed, until one of them has gone", async () => {
  const reasons: string[] = [];
  const onForcedClose = (reason: string) => reasons.push(reason);
  const listening = await listenHttp2({ ...options, onForcedClose, limits: { maxConnectionsPerAddress: 1 } });
  const first = await FramePeer.connect(listening.port);
  await first.settled();
  await (await FramePeer.connect(listening.port)).closed;
  expect(reasons).toEqual(["connections_per_address"]);
  first.close();
  await expect.poll(() => listening.connections).toBe(0);
  const third = await FramePeer.connect(listening.port);
  await third.settled();
  third.close();
  await listening.drain(0);
});

test("every socket of a listener has a listener for errors", async () => {
  const sockets: Socket[] = [];
  const seen = (message: unknown) => sockets.push((message as { socket: Socket }).socket);
  subscribe("net.server.socket", seen);
  const listening = await listenHttp2({ ...options, limits: { maxConnectionsPerAddress: 1 } });
  const first = await FramePeer.connect(listening.port);
  await first.settled();
  await (await FramePeer.connect(listening.port)).closed;
  unsubscribe("net.server.socket", seen);
  expect(sockets.map((socket) => socket.listenerCount("error") > 0)).toEqual([true, true]);
  first.close();
  await listening.drain(0);
});
