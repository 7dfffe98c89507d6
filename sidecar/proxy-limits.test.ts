// That limits which are set hold on both sides of `ferry proxy`, and that what they refuse is counted.

import { afterEach, expect, test } from "vitest";
import { jsonLog } from "../common/json-log.ts";
import type { Limits } from "./http2/limits.ts";
import { dataFrame, FramePeer, headersFrame } from "./http2/testing/frame-peer.ts";
import { startProxy } from "./proxy.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { grpcMessage, grpcRequest, pick, untilEnd } from "./testing/proxy-rig.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const host = "127.0.0.1";

async function proxied(limits: Partial<Limits>) {
  const backend = await FrameBackend.listen();
  const log = jsonLog("proxy", "error", () => {});
  const proxy = await startProxy({ listen: { host, port: 0 }, upstream: { host, port: backend.port }, log, limits });
  const client = await FramePeer.connect(Number(proxy.listen.split(":").at(-1)));
  closers.push(
    () => backend.close(),
    () => {
      proxy.hurry();
      return proxy.drain(0);
    },
    () => client.close(),
  );
  return { client, backend, metrics: async () => (await fetch(`http://${proxy.admin}/metrics`)).text() };
}

/** What a peer was told by SETTINGS, by identifier. */
async function settingsOf(peer: FramePeer): Promise<ReadonlyMap<number, number>> {
  await peer.settled();
  const { payload } = peer.seen.find(({ type, end }) => type === "SETTINGS" && !end)!;
  const entries = Array.from({ length: payload.length / 6 }, (_, i): [number, number] => {
    return [payload.readUInt16BE(6 * i), payload.readUInt32BE(6 * i + 2)];
  });
  return new Map(entries);
}

const maxConcurrentStreams = 3;
const maxHeaderListSize = 6;

test("limits hold for clients and for upstreams alike", async () => {
  const { client, backend } = await proxied({ maxConcurrentStreams: 1, maxHeaderListBytes: 5000 });
  const told = await settingsOf(client);
  expect([told.get(maxConcurrentStreams), told.get(maxHeaderListSize)]).toEqual([1, 5000]);
  client.send(headersFrame(1, grpcRequest()));
  expect((await settingsOf(await backend.connection(0))).get(maxHeaderListSize)).toBe(5000);
});

test("refused streams are counted by reason", async () => {
  const { client, metrics } = await proxied({ maxConcurrentStreams: 1, maxFields: 20 });
  const many = Array.from({ length: 20 }, (_, i): [string, string] => [`x-${i}`, ""]);
  client.send(headersFrame(1, grpcRequest(...many)), dataFrame(1, grpcMessage(3), true));
  const [reply] = await untilEnd(client, 1);
  expect(pick(reply!.fields, "x-ferry-failure")).toEqual(["x-ferry-failure: header_too_large"]);
  client.send(headersFrame(3, grpcRequest()), headersFrame(5, grpcRequest()));
  await untilEnd(client, 5);
  const text = await metrics();
  expect(text).toContain('ferry_streams_refused_total{reason="header_list_too_large"} 1\n');
  expect(text).toContain('ferry_streams_refused_total{reason="concurrent_streams"} 1\n');
});
