import { connect } from "node:net";
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

test("connections above the cap are dropped", async () => {
  const listening = await listenHttp2({ ...options, maxConnections: 1 });
  const first = await FramePeer.connect(listening.port);
  await first.settled();
  const second = await FramePeer.connect(listening.port);
  await second.closed;
  await first.settled();
  first.close();
  await listening.drain(0);
});
