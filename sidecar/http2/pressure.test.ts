// A server of ours under much DATA: answers to PING in between, memory of streams that stall, tiny frames. Memory is
// what buffered-bytes.ts counts: slabs, not octets.

import { describe, expect, onTestFinished, test } from "vitest";
import { BufferedBytes } from "./buffered-bytes.ts";
import { ErrorCode } from "./error-code.ts";
import type { ServerStream } from "./server.ts";
import {
  dataFrame,
  FramePeer,
  fieldsOf,
  frame,
  getRequest,
  headersFrame,
  ok,
  type PeerOptions,
  postRequest,
  uint32,
} from "./testing/frame-peer.ts";
import { RecordingSink, ScriptedBody, scriptedServer } from "./testing/scripted-server.ts";

async function setUp(handler: (stream: ServerStream) => void, peerOptions: PeerOptions = {}) {
  const buffers = new BufferedBytes(1 << 30);
  const server = await scriptedServer(handler, { buffers });
  const peer = await FramePeer.connect(server.port, peerOptions);
  onTestFinished(async () => {
    peer.close();
    await server.listening.drain(0);
  });
  return { buffers, server, peer };
}

describe("a peer with 10 MB under way to it", () => {
  test("gets its PINGs back with the same octets, the median within 50 ms", async () => {
    let left = 10_000_000;
    const body = new ScriptedBody();
    const { peer } = await setUp(
      (stream) => {
        stream.respond(ok, false);
        stream.sendBody(body);
      },
      { settings: [[4, 2 ** 30]] },
    );
    peer.send(frame("WINDOW_UPDATE", 0, 0, uint32(2 ** 30)), headersFrame(1, getRequest, { end: true }));
    await peer.settled();
    body.grant = (bytes) => {
      const next = Math.min(bytes, left);
      left -= next;
      if (next > 0) setImmediate(() => body.push(next));
    };
    body.push(1_000_000);
    const tookMs: number[] = [];
    for (let i = 0; left > 0 && i < 50; i++) {
      const payload = Buffer.from(String(i).padStart(8, "~"));
      const startedMs = performance.now();
      peer.send(frame("PING", 0, 0, payload));
      for (;;) {
        const answer = await peer.next("PING");
        if (answer.end && answer.payload.equals(payload)) break;
      }
      tookMs.push(performance.now() - startedMs);
    }
    expect(tookMs.sort((a, b) => a - b)[tookMs.length >> 1]).toBeLessThan(50);
    expect(peer.dataBytes(1)).toBeGreaterThan(100_000);
  });
});

describe("streams that stall", () => {
  test("hold what was pushed for them and no more, and give it back when they are reset", async () => {
    const count = 500;
    const each = 65_536;
    const { buffers, peer } = await setUp(
      (stream) => {
        const body = new ScriptedBody();
        stream.respond(ok, false);
        stream.sendBody(body);
        body.push(each);
      },
      { settings: [[4, 0]] },
    );
    await peer.settled();
    for (let i = 0; i < count; i++) {
      peer.send(headersFrame(2 * i + 1, getRequest, { end: true }));
      if (i % 100 === 99) await peer.settled();
    }
    expect(buffers.total).toBeGreaterThanOrEqual(count * each);
    expect(buffers.total).toBeLessThanOrEqual(count * each * 1.2);
    for (let i = 0; i < count; i++) peer.send(frame("RST_STREAM", 0, 2 * i + 1, uint32(ErrorCode.CANCEL)));
    await peer.settled();
    expect(buffers.total).toBe(0);
  });

  test("one with a shut window leaves the others all of the connection", async () => {
    const bodies = new Map<string, ScriptedBody>();
    const { buffers, peer } = await setUp(
      (stream) => {
        const body = new ScriptedBody();
        bodies.set(stream.fields[2]!.value, body);
        stream.respond(ok, false);
        stream.sendBody(body);
      },
      { settings: [[4, 0]] },
    );
    const path = (value: string) => fieldsOf([":method", "GET"], [":scheme", "http"], [":path", value]);
    peer.send(headersFrame(1, path("/stalled"), { end: true }), headersFrame(3, path("/fast"), { end: true }));
    await peer.settled();
    bodies.get("/stalled")!.push(262_144);
    const fast = bodies.get("/fast")!;
    fast.grant = (bytes) => void setImmediate(() => fast.push(bytes));
    fast.push(100_000);
    for (let i = 0; i < 50; i++) {
      peer.send(frame("WINDOW_UPDATE", 0, 3, uint32(100_000)), frame("WINDOW_UPDATE", 0, 0, uint32(100_000)));
      await peer.settled();
    }
    await expect.poll(() => peer.dataBytes(3)).toBe(5_000_000);
    expect(peer.dataBytes(1)).toBe(0);
    expect(buffers.total).toBeLessThanOrEqual(262_144 + 100_000 + 65_536);
  });
});

describe("DATA frames of one octet", () => {
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => dataFrame(1, 1)));

  // Over 200 ms: a million frames.
  test("a million of them on a stream that is read are all delivered, and nobody is punished", async () => {
    const { server, peer } = await setUp(() => {});
    peer.send(headersFrame(1, postRequest));
    await peer.settled();
    const request = server.requests[0]!.request;
    const sink = new RecordingSink(request);
    request.attach(sink);
    for (let i = 0; i < 1000; i++) {
      peer.socket.write(thousand);
      if (i % 50 === 49) await peer.delivered();
    }
    await peer.settled();
    expect([sink.bytes, server.forcedCloses]).toEqual([1_000_000, []]);
  }, 30_000);

  test("on a stream that nobody reads they take the memory of their octets", async () => {
    const { buffers, server, peer } = await setUp(() => {});
    peer.send(headersFrame(1, postRequest));
    for (let i = 0; i < 260; i++) peer.socket.write(thousand);
    await peer.settled();
    expect([buffers.total >= 260_000, buffers.total <= 262_144 + 32_768, server.forcedCloses]).toEqual([
      true,
      true,
      [],
    ]);
  });
});
