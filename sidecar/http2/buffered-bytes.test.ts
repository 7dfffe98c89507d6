// The process's cap on what waits for peers: by itself, and through servers and clients that hold too much.

import { describe, expect, onTestFinished, test } from "vitest";
import { BufferedBytes } from "./buffered-bytes.ts";
import { ErrorCode } from "./error-code.ts";
import type { ServerStream } from "./server.ts";
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
import { RecordingSink, ScriptedBody, scriptedServer } from "./testing/scripted-server.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe("the accountant", () => {
  function holder(all: BufferedBytes) {
    const shed: number[] = [];
    const owner = {
      held() {},
      shed(bytes: number) {
        shed.push(bytes);
        holding.add(-Math.min(holding.bytes, bytes));
      },
    };
    const holding = all.open(owner);
    return { holding, shed };
  }

  test("tells the largest holder first, and only as many as it takes to get an eighth below the cap", async () => {
    const all = new BufferedBytes(800);
    const [small, large, middle] = [holder(all), holder(all), holder(all)];
    small.holding.add(100);
    large.holding.add(401);
    middle.holding.add(300);
    expect([all.isFull, large.shed]).toEqual([true, []]);
    await nextTurn();
    expect([small.shed, middle.shed, large.shed]).toEqual([[], [], [101]]);
    expect([all.total, all.isFull]).toEqual([700, false]);
  });

  test("leaves all alone when the cap was passed for less than a turn", async () => {
    const all = new BufferedBytes(100);
    const one = holder(all);
    one.holding.add(150);
    one.holding.add(-100);
    await nextTurn();
    expect(one.shed).toEqual([]);
  });

  test("forgets what a closed connection held, whatever is returned later", () => {
    const all = new BufferedBytes(100);
    const one = holder(all);
    one.holding.add(60);
    one.holding.close();
    one.holding.add(-60);
    expect(all.total).toBe(0);
  });
});

async function setUp(maxBytes: number, handler: (stream: ServerStream) => void) {
  const buffers = new BufferedBytes(maxBytes);
  const server = await scriptedServer(handler, { buffers });
  const connect = async (settings: [number, number][] = []) => {
    const peer = await FramePeer.connect(server.port, { settings });
    onTestFinished(() => peer.close());
    return peer;
  };
  onTestFinished(() => server.listening.drain(0));
  return { buffers, server, connect, refusals: server.refusals };
}

describe("a server over the cap", () => {
  const answering = (bytes: (stream: ServerStream) => number) => (stream: ServerStream) => {
    const body = new ScriptedBody();
    stream.respond(ok, false);
    stream.sendBody(body);
    body.push(bytes(stream));
  };

  test("resets the largest streams of the largest connection; the others get theirs", async () => {
    const { server, connect, refusals, buffers } = await setUp(
      200_000,
      answering((stream) => (stream.endsWithHead ? 50_000 : 90_000)),
    );
    const modest = await connect([[4, 0]]);
    modest.send(headersFrame(1, getRequest, { end: true }));
    await modest.settled();
    const greedy = await connect([[4, 0]]);
    greedy.send(headersFrame(1, getRequest, { end: true }), headersFrame(3, postRequest));
    await greedy.settled();
    expect(await greedy.next("RST_STREAM")).toMatchObject({ id: 3, code: ErrorCode.ENHANCE_YOUR_CALM });
    await greedy.settled();
    await modest.settled();
    expect(modest.seen.some(({ type }) => type === "RST_STREAM")).toBe(false);
    expect([refusals, server.forcedCloses]).toEqual([["buffered_bytes"], []]);
    expect(buffers.total).toBeLessThanOrEqual(175_000);
  });

  test("refuses new streams, as never processed, until there is room", async () => {
    const { connect, refusals, buffers, server } = await setUp(
      100_000,
      answering(() => 0),
    );
    const peer = await connect();
    const elsewhere = buffers.open({ held() {}, shed() {} });
    elsewhere.add(200_000);
    peer.send(headersFrame(1, getRequest, { end: true }));
    expect(await peer.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.REFUSED_STREAM });
    elsewhere.add(-200_000);
    peer.send(headersFrame(3, getRequest, { end: true }));
    expect((await peer.next("HEADERS")).id).toBe(3);
    expect([refusals, server.requests.length]).toEqual([["buffered_bytes"], 1]);
  });

  test("closes a connection that holds more in its socket than in its streams", async () => {
    const { server, connect, buffers } = await setUp(3_000_000, (stream) => {
      const body = new ScriptedBody();
      stream.respond(ok, false);
      stream.sendBody(body);
      body.grant = (bytes) => void setImmediate(() => body.push(bytes));
      body.push(60_000);
    });
    const peer = await connect([[4, 2 ** 30]]);
    peer.socket.pause();
    const grant = frame("WINDOW_UPDATE", 0, 0, uint32(2 ** 30));
    peer.send(grant, ...Array.from({ length: 3 }, (_, i) => headersFrame(2 * i + 1, getRequest, { end: true })));
    // The system's own buffers take some MB first; then it is the socket that holds.
    await expect.poll(() => buffers.total).toBeGreaterThan(200_000);
    buffers.open({ held() {}, shed() {} }).add(2_900_000);
    await expect.poll(() => server.forcedCloses).toEqual(["buffered_bytes"]);
    peer.close();
  });

  test("has counted everything back once streams ended, were reset, cancelled or lost", async () => {
    const { connect, buffers, server } = await setUp(1 << 30, (stream) => {
      const body = new ScriptedBody();
      stream.respond(ok, false);
      stream.sendBody(body);
      body.push(5000);
    });
    const peer = await connect([[4, 0]]);
    for (const id of [1, 3, 5, 7]) peer.send(headersFrame(id, postRequest), dataFrame(id, 3000));
    await peer.settled();
    expect(buffers.total).toBeGreaterThan(4 * 8000);
    const [first, second, third] = server.requests;
    first!.reset(ErrorCode.CANCEL);
    second!.request.cancel(ErrorCode.CANCEL);
    third!.request.attach(new RecordingSink());
    const before = buffers.total;
    second!.reset(ErrorCode.CANCEL);
    third!.reset(ErrorCode.CANCEL);
    expect(buffers.total).toBeLessThan(before);
    peer.close();
    await expect.poll(() => buffers.total).toBe(0);
  });

  test("a request that nobody reads is not counted beyond its response", async () => {
    const { connect, buffers, server } = await setUp(1 << 30, (stream) => {
      setImmediate(() => setImmediate(() => stream.respond(ok, true)));
    });
    const peer = await connect();
    peer.send(headersFrame(1, postRequest), dataFrame(1, 3000, true));
    expect((await peer.next("HEADERS")).end).toBe(true);
    expect(buffers.total).toBe(0);
    const late = new RecordingSink();
    server.requests[0]!.request.attach(late);
    expect(late).toMatchObject({ bytes: 0, hasEnded: false, error: { code: ErrorCode.NO_ERROR } });
  });
});
