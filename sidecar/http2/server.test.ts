// What a well-behaved client sees of our server: order of frames, flow control in both directions, settings, padding.

import { describe, expect, onTestFinished, test } from "vitest";
import type { ListenOptions } from "../transport/listen.ts";
import { ErrorCode } from "./error-code.ts";
import { Flag } from "./frames.ts";
import type { ServerStream } from "./server.ts";
import {
  block,
  dataFrame,
  FramePeer,
  fieldsOf,
  frame,
  getRequest,
  headersFrame,
  ok,
  type PeerOptions,
  postRequest,
  settingsFrame,
  uint32,
} from "./testing/frame-peer.ts";
import { RecordingSink, ScriptedBody, scriptedServer } from "./testing/scripted-server.ts";

const trailers = fieldsOf(["grpc-status", "0"]);

async function setUp(
  handler?: (stream: ServerStream) => void,
  peerOptions?: PeerOptions,
  listenOptions?: Partial<ListenOptions>,
) {
  const server = await scriptedServer(handler, listenOptions);
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

describe("order", () => {
  test("§3.4 SETTINGS is the first frame we send, and the client's is acknowledged", async () => {
    const { peer } = await setUp();
    await peer.settled();
    expect(peer.seen[0]).toMatchObject({ type: "SETTINGS", flags: 0 });
    expect(peer.seen.some(({ type, flags }) => type === "SETTINGS" && flags === Flag.ACK)).toBe(true);
  });

  test("Trailers-Only is one HEADERS frame with END_STREAM", async () => {
    const { peer } = await setUp((stream) => stream.respond([...ok, ...trailers], true));
    peer.send(headersFrame(1, getRequest, { end: true }));
    expect(await peer.next("HEADERS")).toMatchObject({ end: true, fields: [":status: 200", "grpc-status: 0"] });
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS+END"]);
  });

  test("a body and trailers are HEADERS, DATA, HEADERS with no empty DATA added", async () => {
    const { peer, body } = await answering();
    body.push("abc");
    body.sink!.trailers(trailers);
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS", "DATA", "HEADERS+END"]);
  });

  test("END_STREAM goes with the last DATA, queued or not, and needs no window when it is empty", async () => {
    const { peer, body } = await answering({ settings: [[4, 3]] });
    body.push("abcdef", true);
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS", "DATA"]);
    peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(10)));
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS", "DATA", "DATA+END"]);

    const empty = await answering({ settings: [[4, 0]] });
    empty.body.push(0, true);
    await empty.peer.settled();
    expect(kinds(empty.peer, 1)).toEqual(["HEADERS", "DATA+END"]);
  });

  test("trailers wait behind DATA that waits for the window", async () => {
    const { peer, body } = await answering({ settings: [[4, 0]] });
    body.push("abc");
    body.sink!.trailers(trailers);
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS"]);
    peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(3)));
    await peer.settled();
    expect(kinds(peer, 1)).toEqual(["HEADERS", "DATA", "HEADERS+END"]);
  });

  test("§8.1 a response before the request's end is followed by RST_STREAM(NO_ERROR), not overtaken", async () => {
    const { peer } = await setUp((stream) => stream.respond([...ok, ...trailers], true));
    peer.send(headersFrame(1, postRequest));
    expect(await peer.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.NO_ERROR });
    expect(kinds(peer, 1)).toEqual(["HEADERS+END", "RST_STREAM"]);
    // What was under way is ignored.
    peer.send(dataFrame(1, 100, true));
    await peer.settled();
  });

  test("a long header block goes out as HEADERS and CONTINUATION in one run", async () => {
    const long = fieldsOf(...Array.from({ length: 4 }, (_, i): [string, string] => [`x-${i}`, "v".repeat(10_000)]));
    const { peer } = await setUp((stream) => stream.respond([...ok, ...long], true));
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.next("CONTINUATION");
    await peer.settled();
    const types = peer.seen.map(({ type }) => type);
    const first = types.indexOf("HEADERS");
    expect(types.slice(first, first + 3)).toEqual(["HEADERS", "CONTINUATION", "CONTINUATION"]);
    expect(peer.seen[first]!.end).toBe(true);
    expect(peer.seen[first + 2]!.flags).toBe(Flag.END_HEADERS);
  });

  test("§4.2 of RFC 7541: a peer that shrinks its table gets a size update in the next block", async () => {
    const { peer } = await setUp((stream) => stream.respond(ok, true), { settings: [[1, 0]] });
    await peer.settled();
    peer.send(headersFrame(1, getRequest, { end: true }));
    expect((await peer.next("HEADERS")).payload.toString("hex")).toBe("2088");
    peer.send(headersFrame(3, getRequest, { end: true }));
    expect((await peer.next("HEADERS")).payload.toString("hex")).toBe("88");
  });
});

describe("sending under flow control", () => {
  test("the source is granted what left, not what waits", async () => {
    const { peer, body } = await answering({ settings: [[4, 1000]] });
    body.push(1500);
    await peer.settled();
    expect(body.granted).toBe(1000);
    peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(200)));
    await peer.settled();
    expect(body.granted).toBe(1200);
    expect(peer.dataBytes(1)).toBe(1200);
  });

  test("§6.9.2 a smaller INITIAL_WINDOW_SIZE makes windows negative, and they are paid back first", async () => {
    const { peer, body } = await answering({ settings: [[4, 1000]] });
    body.push(3000);
    await peer.settled();
    peer.send(settingsFrame([[4, 400]]), frame("WINDOW_UPDATE", 0, 1, uint32(600)));
    await peer.settled();
    expect(peer.dataBytes(1)).toBe(1000);
    peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(5)));
    await peer.settled();
    expect(peer.dataBytes(1)).toBe(1005);
    peer.send(settingsFrame([[4, 1400]]));
    await peer.settled();
    expect(peer.dataBytes(1)).toBe(2005);
  });

  test("§6.9.2 a window of one octet gives DATA frames of one octet", async () => {
    const { peer, body } = await answering({ settings: [[4, 1]] });
    body.push("abc");
    await peer.settled();
    expect(peer.dataBytes(1)).toBe(1);
  });

  test("the connection's window is shared in turns by the streams that wait", async () => {
    const bodies: ScriptedBody[] = [];
    const { peer } = await setUp(
      (stream) => {
        const body = new ScriptedBody();
        bodies.push(body);
        stream.respond(ok, false);
        stream.sendBody(body);
      },
      { settings: [[4, 1 << 20]] },
    );
    for (const id of [1, 3, 5]) peer.send(headersFrame(id, getRequest, { end: true }));
    await peer.settled();
    for (const body of bodies) body.push(100_000);
    await peer.settled();
    expect(peer.dataBytes(1) + peer.dataBytes(3) + peer.dataBytes(5)).toBe(65_535);
    peer.send(frame("WINDOW_UPDATE", 0, 0, uint32(3 * 16_384)));
    await peer.settled();
    expect(peer.dataBytes(3)).toBe(16_384);
    peer.send(frame("WINDOW_UPDATE", 0, 0, uint32(300_000)));
    await peer.settled();
    expect([1, 3, 5].map((id) => peer.dataBytes(id))).toEqual([100_000, 100_000, 100_000]);
  });

  test("a stream whose window is shut does not hold up another", async () => {
    const bodies: ScriptedBody[] = [];
    const { peer } = await setUp(
      (stream) => {
        const body = new ScriptedBody();
        bodies.push(body);
        stream.respond(ok, false);
        stream.sendBody(body);
      },
      { settings: [[4, 10]] },
    );
    peer.send(headersFrame(1, getRequest, { end: true }), headersFrame(3, getRequest, { end: true }));
    await peer.settled();
    bodies[0]!.push(60_000);
    bodies[1]!.push("done", true);
    await peer.settled();
    expect(peer.dataBytes(3)).toBe(4);
  });
});

describe("receiving", () => {
  test("what came before a sink was attached is pushed to it, in order, then what comes live", async () => {
    const { server, peer } = await setUp();
    peer.send(headersFrame(1, postRequest), dataFrame(1, Buffer.from("one ")), dataFrame(1, Buffer.from("two ")));
    await peer.settled();
    const sink = new RecordingSink();
    server.requests[0]!.request.attach(sink);
    expect(sink).toMatchObject({ text: "one two ", hasEnded: false });
    peer.send(dataFrame(1, Buffer.from("three"), true));
    await peer.settled();
    expect(sink).toMatchObject({ text: "one two three", hasEnded: true });
  });

  test("a body that had ended, with data, trailers or nothing, ends when a sink is attached", async () => {
    const { server, peer } = await setUp();
    peer.send(headersFrame(1, postRequest), dataFrame(1, Buffer.from("x"), true));
    peer.send(headersFrame(3, postRequest), dataFrame(3, Buffer.from("x")), headersFrame(3, trailers, { end: true }));
    peer.send(headersFrame(5, postRequest), dataFrame(5, 0, true));
    peer.send(headersFrame(7, getRequest, { end: true }));
    await peer.settled();
    for (const stream of server.requests) {
      const sink = new RecordingSink();
      stream.request.attach(sink);
      expect(sink.hasEnded).toBe(true);
      expect(sink.trailerFields?.length).toBe(stream === server.requests[1] ? 1 : undefined);
    }
  });

  test("stream credit comes back when the sink grants, connection credit at once", async () => {
    const windows = { streamBytes: 70_000, connectionBytes: 200_000 };
    const { server, peer } = await setUp(undefined, {}, { windows });
    const updates = (id: number) =>
      peer.seen.filter((seen) => seen.type === "WINDOW_UPDATE" && seen.id === id).reduce((n, f) => n + f.increment, 0);
    await peer.settled();
    expect(updates(0)).toBe(200_000 - 65_535);
    for (const id of [1, 3])
      peer.send(headersFrame(id, postRequest), ...Array.from({ length: 4 }, () => dataFrame(id, 16_000)));
    await peer.settled();
    expect(updates(0)).toBeGreaterThanOrEqual(200_000 - 65_535 + 100_000);
    expect(updates(1)).toBe(0);
    const sink = new RecordingSink(server.requests[0]!.request);
    server.requests[0]!.request.attach(sink);
    await peer.settled();
    expect(updates(1)).toBeGreaterThanOrEqual(35_000);
    expect(updates(3)).toBe(0);
  });

  test("§6.1 padding is dropped and its credit returned", async () => {
    const { server, peer } = await setUp(undefined, {}, { windows: { streamBytes: 70_000, connectionBytes: 70_000 } });
    peer.send(headersFrame(1, postRequest));
    await peer.settled();
    const sink = new RecordingSink(server.requests[0]!.request);
    server.requests[0]!.request.attach(sink);
    const padded = frame("DATA", Flag.PADDED, 1, Buffer.concat([Buffer.of(255), Buffer.from("ab"), Buffer.alloc(255)]));
    for (let i = 0; i < 1000; i++) {
      peer.send(padded);
      if (i % 100 === 99) await peer.settled();
    }
    expect(sink.bytes).toBe(2000);
    expect(peer.seen.some(({ type }) => type === "RST_STREAM" || type === "GOAWAY")).toBe(false);
  });

  test("input cut at every octet gives the same requests", async () => {
    const { server, peer } = await setUp((stream) => stream.request.attach(new RecordingSink()));
    await peer.settled();
    const head = block([...postRequest, ...fieldsOf(["x", "y".repeat(40)])]);
    const input = Buffer.concat([
      frame("HEADERS", Flag.PADDED, 1, Buffer.concat([Buffer.of(3), head.subarray(0, 10), Buffer.alloc(3)])),
      frame("CONTINUATION", 0, 1, head.subarray(10, 20)),
      frame("CONTINUATION", Flag.END_HEADERS, 1, head.subarray(20)),
      frame("DATA", Flag.PADDED, 1, Buffer.concat([Buffer.of(2), Buffer.from("abcdef"), Buffer.alloc(2)])),
      dataFrame(1, 0),
      dataFrame(1, Buffer.from("ghi"), true),
    ]);
    for (const octet of input) {
      peer.socket.write(Buffer.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.settled();
    expect(server.requests.length).toBe(1);
    expect(server.requests[0]!.fields.length).toBe(5);
  });

  test("what is cut into many reads reaches the sink whole, and END_STREAM only with its last octet", async () => {
    const sink = new RecordingSink();
    const { peer } = await setUp((stream) => stream.request.attach(sink));
    peer.send(headersFrame(1, postRequest));
    await peer.settled();
    const data = dataFrame(1, Buffer.from("0123456789"), true);
    for (let i = 0; i < data.length; i += 3) {
      expect(sink.hasEnded).toBe(false);
      peer.socket.write(data.subarray(i, i + 3));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await peer.settled();
    expect(sink).toMatchObject({ text: "0123456789", hasEnded: true });
  });
});
