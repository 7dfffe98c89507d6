// An ejected endpoint keeps its connection: the probe finds it open, and so do streams that were there before.

import { afterEach, expect, test } from "vitest";
import { fieldsOf, headersFrame } from "./http2/testing/frame-peer.ts";
import { grpcReply, onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { openHttp2Client } from "./testing/http2-client.ts";
import { startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test("an endpoint that is ejected and probed is asked on the connection that it had", async () => {
  const served = { broken: 0, sound: 0 };
  const unavailable = fieldsOf([":status", "200"], ["content-type", "application/grpc"], ["grpc-status", "14"]);
  const broken = await FrameBackend.listen(undefined, (peer) => {
    void onEachRequest(peer, ({ id }) => {
      served.broken++;
      if (served.broken === 1) peer.send(headersFrame(id, unavailable, { end: true }));
      else peer.send(...grpcReply(id));
    });
  });
  const sound = await FrameBackend.listen(undefined, (peer) => {
    void onEachRequest(peer, ({ id }) => {
      served.sound++;
      peer.send(...grpcReply(id));
    });
  });
  const settings = { ferry_eject_consecutive_failures: "1", ferry_eject_base: "50ms", ferry_retries: "0" };
  const proxy = await startStackProxy([broken.port, sound.port], { settings });
  const client = openHttp2Client(proxy.port);
  closers.push(
    () => sound.close(),
    () => broken.close(),
    () => proxy.close(),
    () => client.close(),
  );
  const statuses: (string | undefined)[] = [];
  while (served.broken < 2) statuses.push((await client.grpc()).grpcStatus);
  expect(statuses.filter((status) => status !== "0")).toEqual(["14"]);
  expect(served.sound).toBeGreaterThan(0);
  expect(broken.connections).toHaveLength(1);
  expect(broken.connections[0]!.hasEnded).toBe(false);
});
