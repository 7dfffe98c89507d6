// How streams and connections end, as a well-behaved client of our server sees it: resets from either side, and GOAWAY.

import { describe, expect, onTestFinished, test } from "vitest";
import { ErrorCode, StreamError } from "./error-code.ts";
import { Flag } from "./frames.ts";
import type { ServerStream } from "./server.ts";
import {
  block,
  dataFrame,
  FramePeer,
  frame,
  getRequest,
  headersFrame,
  ok,
  type PeerOptions,
  postRequest,
  uint32,
} from "./testing/frame-peer.ts";
import { RecordingSink, ScriptedBody, scriptedServer } from "./testing/scripted-server.ts";

async function setUp(handler?: (stream: ServerStream) => void, peerOptions?: PeerOptions) {
  const server = await scriptedServer(handler);
  const peer = await FramePeer.connect(server.port, peerOptions);
  onTestFinished(async () => {
    peer.close();
    await server.listening.drain(0);
  });
  return { server, peer };
}

/** Answers with a body that the test pushes. */
async function answering(peerOptions?: PeerOptions) {
  const body = new ScriptedBody();
  const { server, peer } = await setUp((stream) => {
    stream.respond(ok, false);
    stream.sendBody(body);
  }, peerOptions);
  peer.send(headersFrame(1, getRequest, { end: true }));
  await peer.next("HEADERS");
  return { server, peer, body, stream: server.requests[0]! };
}

const kinds = (peer: FramePeer, id: number) =>
  peer.seen.filter((seen) => seen.id === id).map((seen) => `${seen.type}${seen.end ? "+END" : ""}`);

describe("resets", () => {
  test("RST_STREAM from the client tells the handler and the body once, and drops what waits", async () => {
    const { peer, body, stream } = await answering({ settings: [[4, 10]] });
    const told: StreamError[] = [];
    const closed: number[] = [];
    stream.onAbort((error) => told.push(error));
    stream.onClose((sent) => closed.push(sent));
    body.push(1000);
    await peer.settled();
    peer.send(frame("RST_STREAM", 0, 1, uint32(ErrorCode.CANCEL)), frame("WINDOW_UPDATE", 0, 1, uint32(1000)));
    await peer.settled();
    expect(told).toMatchObject([{ code: ErrorCode.CANCEL, initiator: "peer" }]);
    expect(closed).toEqual([10]);
    expect(body.cancelled).toBe(ErrorCode.CANCEL);
    expect(peer.dataBytes(1)).toBe(10);
    body.push(10, true);
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS", "DATA"]);
  });

  test("a reset in the middle of a request breaks its body off", async () => {
    const { server, peer } = await setUp();
    peer.send(headersFrame(1, postRequest));
    await peer.settled();
    const sink = new RecordingSink();
    server.requests[0]!.request.attach(sink);
    peer.send(frame("RST_STREAM", 0, 1, uint32(ErrorCode.CANCEL)));
    await peer.settled();
    expect(sink.error).toMatchObject({ code: ErrorCode.CANCEL, initiator: "peer" });
  });

  test("a body that aborts becomes RST_STREAM: CANCEL stays, all else is INTERNAL_ERROR", async () => {
    for (const [code, expected] of [
      [ErrorCode.CANCEL, ErrorCode.CANCEL],
      [ErrorCode.PROTOCOL_ERROR, ErrorCode.INTERNAL_ERROR],
      [ErrorCode.NO_ERROR, ErrorCode.INTERNAL_ERROR],
    ] as const) {
      const { peer, body } = await answering();
      body.sink!.abort(new StreamError(code, "peer", "upstream broke off"));
      expect(await peer.next("RST_STREAM")).toMatchObject({ id: 1, code: expected });
    }
  });

  test("frames under way to a stream that we reset are ignored, and HPACK stays in step", async () => {
    const { server, peer } = await setUp((stream) => stream.reset(ErrorCode.CANCEL));
    peer.send(headersFrame(1, postRequest));
    await peer.next("RST_STREAM");
    peer.send(dataFrame(1, 100), frame("HEADERS", 5, 1, "4001610178"), frame("WINDOW_UPDATE", 0, 1, uint32(5)));
    peer.send(frame("HEADERS", 5, 3, Buffer.concat([block(getRequest), Buffer.from("be", "hex")])));
    await peer.settled();
    expect(server.requests[1]!.fields.at(-1)).toMatchObject({ name: "a", value: "x" });
  });

  test("a request whose rest is not wanted is reset only after its response", async () => {
    const body = new ScriptedBody();
    const { server, peer } = await setUp((stream) => {
      stream.request.cancel(ErrorCode.CANCEL);
      stream.respond(ok, false);
      stream.sendBody(body);
    });
    peer.send(headersFrame(1, postRequest), dataFrame(1, 10));
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS"]);
    body.push("all", true);
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS", "DATA+END", "RST_STREAM"]);
    expect(server.requests.length).toBe(1);
  });

  test("a connection that is lost aborts its streams and cancels their bodies", async () => {
    const { peer, body, stream } = await answering();
    const told = new Promise<StreamError>((resolve) => stream.onAbort(resolve));
    peer.close();
    expect(await told).toMatchObject({ code: ErrorCode.CANCEL, initiator: "connection" });
    expect(body.cancelled).toBe(ErrorCode.CANCEL);
  });
});

describe("GOAWAY", () => {
  test("§6.8 a drain announces itself, then names the last stream, and lets it finish", async () => {
    const { server, peer, body } = await answering();
    const drained = server.listening.drain(1000);
    expect(await peer.next("GOAWAY")).toMatchObject({ lastStreamId: 2 ** 31 - 1, code: ErrorCode.NO_ERROR });
    const ping = await peer.next("PING");
    // A request that was under way when the first GOAWAY came is still taken.
    peer.send(headersFrame(3, getRequest, { end: true }), frame("PING", Flag.ACK, 0, ping.payload));
    expect(await peer.next("GOAWAY")).toMatchObject({ lastStreamId: 3, code: ErrorCode.NO_ERROR });
    peer.send(headersFrame(5, getRequest, { end: true }));
    await peer.settled();
    expect(server.requests.length).toBe(2);
    body.push("rest", true);
    expect((await peer.next("DATA")).payload.toString()).toBe("rest");
    server.requests[0]!.reset(ErrorCode.CANCEL);
    await peer.closed;
    await drained;
  });

  test("a drain that takes too long is cut off", async () => {
    const { server, peer } = await answering();
    const drained = server.listening.drain(5000);
    await peer.next("GOAWAY");
    await server.clock.advance(5000);
    await peer.closed;
    await server.clock.advance(1000);
    await drained;
    expect(server.forcedCloses).toEqual(["drain_timeout"]);
  });
});
