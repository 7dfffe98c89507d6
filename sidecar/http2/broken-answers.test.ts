// What a server can break towards our client, each with the exact code and scope of the answer (RFC 9113 sections 4 to
// 6): GOAWAY with the code and the reason, and the call fails by the connection. Malformed responses, which concern one
// stream: client.test.ts. The same rules towards our server: broken-rules.test.ts.

import { describe, expect, onTestFinished, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { plaintextDialer } from "../transport/dial.ts";
import { ErrorCode, errorCodeName, type StreamError } from "./error-code.ts";
import { clientPreface, Flag } from "./frames.ts";
import {
  block,
  dataFrame,
  FramePeer,
  fieldsOf,
  frame,
  getRequest,
  headersFrame,
  ok,
  settingsFrame,
  uint32,
} from "./testing/frame-peer.ts";
import { RecordingSink } from "./testing/scripted-server.ts";

/** A client of ours with two GET requests under way, on streams 1 and 3. */
async function calling({ attaches = true, streamBytes = 262_144 } = {}) {
  const listening = await FramePeer.listen();
  const reasons: string[] = [];
  const dial = plaintextDialer(new TestingClock(), {
    windows: { streamBytes },
    onForcedClose: (reason) => reasons.push(reason),
  });
  const client = await dial("127.0.0.1", listening.port, 1000);
  const peer = await listening.peer;
  onTestFinished(() => {
    client.destroy();
    peer.close();
    listening.close();
  });
  const errors: (StreamError | undefined)[] = [];
  for (let i = 0; i < 2; i++) {
    client.request(getRequest, undefined, {
      head: (_fields, end, body) => {
        if (!end && attaches) body.attach(new RecordingSink(body));
      },
      failed() {},
      ended: (_trailers, error) => errors.push(error),
    });
  }
  await peer.settled();
  return { client, peer, reasons, errors };
}

const padded = Flag.PADDED | Flag.END_HEADERS;
const itself = Buffer.concat([uint32(1), Buffer.of(0)]);
const done = headersFrame(1, ok, { end: true });

const rules: [string, ErrorCode, Buffer[]][] = [
  ["§4.2 a DATA frame longer than announced", ErrorCode.FRAME_SIZE_ERROR, [frame("DATA", 0, 1, Buffer.alloc(16_385))]],
  [
    "§4.2 a HEADERS frame longer than announced",
    ErrorCode.FRAME_SIZE_ERROR,
    [frame("HEADERS", 4, 1, Buffer.alloc(16_385, 0x88))],
  ],
  ["§4.3 a header block that cannot be decoded", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "80")]],
  ["§5.1 DATA on a stream that nobody opened", ErrorCode.PROTOCOL_ERROR, [dataFrame(5, 1)]],
  ["§5.1 HEADERS on a stream that nobody opened", ErrorCode.PROTOCOL_ERROR, [headersFrame(5, ok)]],
  ["§5.1 HEADERS on a stream of the server's own", ErrorCode.PROTOCOL_ERROR, [headersFrame(2, ok)]],
  ["§5.1 RST_STREAM on a stream that nobody opened", ErrorCode.PROTOCOL_ERROR, [frame("RST_STREAM", 0, 5, uint32(8))]],
  [
    "§5.1 WINDOW_UPDATE on a stream that nobody opened",
    ErrorCode.PROTOCOL_ERROR,
    [frame("WINDOW_UPDATE", 0, 5, uint32(1))],
  ],
  ["§5.1 DATA after END_STREAM", ErrorCode.STREAM_CLOSED, [done, dataFrame(1, 1)]],
  ["§5.1 HEADERS after END_STREAM", ErrorCode.STREAM_CLOSED, [done, done]],
  ["§6.1 DATA on stream 0", ErrorCode.PROTOCOL_ERROR, [dataFrame(0, 1)]],
  [
    "§6.1 DATA with padding as long as the payload",
    ErrorCode.PROTOCOL_ERROR,
    [headersFrame(1, ok), frame("DATA", Flag.PADDED, 1, "0500")],
  ],
  ["§6.2 HEADERS on stream 0", ErrorCode.PROTOCOL_ERROR, [headersFrame(0, ok)]],
  ["§6.2 HEADERS with more padding than payload", ErrorCode.PROTOCOL_ERROR, [frame("HEADERS", padded, 1, "0988")]],
  ["§6.2 HEADERS too short for its priority", ErrorCode.FRAME_SIZE_ERROR, [frame("HEADERS", 0x24, 1, "00000000")]],
  [
    "§6.2 a frame of an unknown type inside a header block",
    ErrorCode.PROTOCOL_ERROR,
    [frame("HEADERS", 0, 1, "88"), Buffer.concat([Buffer.of(0, 0, 0, 0xfa), Buffer.alloc(5)])],
  ],
  ["§6.3 PRIORITY on stream 0", ErrorCode.PROTOCOL_ERROR, [frame("PRIORITY", 0, 0, Buffer.alloc(5))]],
  ["§6.3 PRIORITY of 4 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("PRIORITY", 0, 1, Buffer.alloc(4))]],
  ["§5.3.1 of RFC 7540: a stream that depends on itself", ErrorCode.PROTOCOL_ERROR, [frame("PRIORITY", 0, 1, itself)]],
  ["§6.4 RST_STREAM on stream 0", ErrorCode.PROTOCOL_ERROR, [frame("RST_STREAM", 0, 0, uint32(8))]],
  ["§6.4 RST_STREAM of 3 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("RST_STREAM", 0, 1, "000000")]],
  ["§6.5 SETTINGS on a stream", ErrorCode.PROTOCOL_ERROR, [frame("SETTINGS", 0, 1)]],
  ["§6.5 SETTINGS of 5 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("SETTINGS", 0, 0, "0000000000")]],
  ["§6.5 SETTINGS ACK with a payload", ErrorCode.FRAME_SIZE_ERROR, [frame("SETTINGS", Flag.ACK, 0, Buffer.alloc(6))]],
  ["§6.5.2 ENABLE_PUSH 1 from a server", ErrorCode.PROTOCOL_ERROR, [settingsFrame([[2, 1]])]],
  ["§6.5.2 INITIAL_WINDOW_SIZE 2^31", ErrorCode.FLOW_CONTROL_ERROR, [settingsFrame([[4, 2 ** 31]])]],
  ["§6.5.2 MAX_FRAME_SIZE 16,383", ErrorCode.PROTOCOL_ERROR, [settingsFrame([[5, 16_383]])]],
  [
    "§6.6 PUSH_PROMISE",
    ErrorCode.PROTOCOL_ERROR,
    [frame("PUSH_PROMISE", Flag.END_HEADERS, 1, Buffer.concat([uint32(2), block(getRequest)]))],
  ],
  ["§6.7 PING on a stream", ErrorCode.PROTOCOL_ERROR, [frame("PING", 0, 1, Buffer.alloc(8))]],
  ["§6.7 PING of 7 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("PING", 0, 0, Buffer.alloc(7))]],
  ["§6.8 GOAWAY on a stream", ErrorCode.PROTOCOL_ERROR, [frame("GOAWAY", 0, 1, Buffer.alloc(8))]],
  ["§6.8 GOAWAY of 7 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("GOAWAY", 0, 0, Buffer.alloc(7))]],
  ["§6.9 WINDOW_UPDATE of 0 on the connection", ErrorCode.PROTOCOL_ERROR, [frame("WINDOW_UPDATE", 0, 0, uint32(0))]],
  ["§6.9 WINDOW_UPDATE of 0 on a stream", ErrorCode.PROTOCOL_ERROR, [frame("WINDOW_UPDATE", 0, 1, uint32(0))]],
  ["§6.9 WINDOW_UPDATE of 3 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("WINDOW_UPDATE", 0, 0, "000001")]],
  [
    "§6.9.1 overflow of the connection's window",
    ErrorCode.FLOW_CONTROL_ERROR,
    [frame("WINDOW_UPDATE", 0, 0, uint32(2 ** 31 - 1))],
  ],
  [
    "§6.9.1 overflow of a stream's window",
    ErrorCode.FLOW_CONTROL_ERROR,
    [frame("WINDOW_UPDATE", 0, 1, uint32(2 ** 31 - 1))],
  ],
  ["§6.10 CONTINUATION without HEADERS", ErrorCode.PROTOCOL_ERROR, [frame("CONTINUATION", 4, 1, "88")]],
  [
    "§6.10 CONTINUATION on another stream",
    ErrorCode.PROTOCOL_ERROR,
    [frame("HEADERS", 0, 1, "88"), frame("CONTINUATION", 4, 3, "88")],
  ],
];

describe("rules whose breach by a server ends the connection", () => {
  test.each(rules)("%s", async (_title, code, frames) => {
    const { peer, reasons, errors } = await calling();
    peer.send(...frames);
    const goaway = await peer.next("GOAWAY");
    expect([errorCodeName(goaway.code), goaway.lastStreamId]).toEqual([errorCodeName(code), 0]);
    expect(goaway.debug).toMatch(new RegExp(`^${errorCodeName(code).toLowerCase()}: `));
    expect(reasons).toEqual([errorCodeName(code).toLowerCase()]);
    const lost = errors.filter((error) => error !== undefined);
    expect(lost.at(-1)).toMatchObject({ initiator: "connection", neverProcessed: false });
    await peer.closed;
  });

  test("§3.4 a first frame that is not SETTINGS", async () => {
    const listening = await FramePeer.listen({ isSilent: true });
    const dialling = plaintextDialer(new TestingClock())("127.0.0.1", listening.port, 1000);
    const peer = await listening.peer;
    peer.send(frame("PING", 0, 0, Buffer.alloc(8)));
    await expect(dialling).rejects.toMatchObject({ neverProcessed: true });
    expect((await peer.next("GOAWAY")).code).toBe(ErrorCode.PROTOCOL_ERROR);
    listening.close();
  });

  test("§6.9 DATA beyond the stream's window fails that stream alone, with FLOW_CONTROL_ERROR", async () => {
    const { client, peer, errors } = await calling({ attaches: false, streamBytes: 65_536 });
    peer.send(headersFrame(1, ok), ...Array.from({ length: 4 }, () => dataFrame(1, 16_384)));
    await peer.settled();
    expect(errors).toEqual([]);
    peer.send(dataFrame(1, 1));
    expect(await peer.next("RST_STREAM", "GOAWAY")).toMatchObject({
      type: "RST_STREAM",
      id: 1,
      code: ErrorCode.FLOW_CONTROL_ERROR,
    });
    await peer.settled();
    expect(errors).toMatchObject([{ code: ErrorCode.FLOW_CONTROL_ERROR, initiator: "us" }]);
    expect([client.state, client.openStreams]).toEqual(["open", 1]);
  });
});

describe("what a server may send that changes nothing", () => {
  test("§4.1, §5.5, §6.5.2, §7 unknown types, flags, settings and codes are ignored", async () => {
    const { client, peer, errors } = await calling();
    peer.send(
      Buffer.concat([Buffer.of(0, 0, 3, 0xfa, 0xff, 0x80, 0, 0, 1), Buffer.from("abc")]),
      frame("PRIORITY", 0xff, 3, Buffer.alloc(5)),
      settingsFrame([
        [0xfe03, 1],
        [0x9, 1],
        [0x5, 1 << 20],
      ]),
      frame("RST_STREAM", 0xff, 3, uint32(0xdead)),
    );
    peer.send(frame("HEADERS", 0xc0 | 5, 1, block(ok)));
    await expect.poll(() => errors.length).toBe(2);
    expect(errors.map((error) => error?.code)).toEqual([0xdead, undefined]);
    expect(client.state).toBe("open");
  });

  test("§6.8 GOAWAYs: the last one says which streams go on, and it never costs those below it", async () => {
    const { client, peer, errors } = await calling();
    const goaway = (last: number) => frame("GOAWAY", 0, 0, Buffer.concat([uint32(last), uint32(0)]));
    peer.send(goaway(2 ** 31 - 1));
    await peer.settled();
    expect([client.state, errors]).toEqual(["draining", []]);
    peer.send(goaway(1));
    await peer.settled();
    expect(errors).toMatchObject([{ code: ErrorCode.REFUSED_STREAM, neverProcessed: true }]);
    peer.send(headersFrame(1, ok, { end: true }));
    await peer.closed;
    expect(errors[1]).toBeUndefined();
  });

  test("§6.5.2 a larger MAX_FRAME_SIZE changes nothing: our frames stay at 16,384 and whole", async () => {
    const listening = await FramePeer.listen({
      settings: [
        [5, 1 << 20],
        [4, 1 << 20],
      ],
    });
    const client = await plaintextDialer(new TestingClock())("127.0.0.1", listening.port, 1000);
    const peer = await listening.peer;
    const content = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i % 251));
    const post = fieldsOf([":method", "POST"], [":scheme", "http"], [":path", "/"]);
    const body = { attach: (sink: { data(chunk: Buffer, end: boolean): void }) => sink.data(content, true) };
    const listener = { head() {}, failed() {}, ended() {} };
    client.request(post, { ...body, grant() {}, cancel() {} }, listener);
    await peer.settled();
    const frames = peer.seen.filter(({ type }) => type === "DATA");
    expect(frames.map(({ payload }) => payload.length)).toEqual([16_384, 16_384, 16_384, 10_848]);
    expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(content)).toBe(true);
    client.destroy();
    peer.close();
    listening.close();
  });

  test("a preface of ours comes first, whatever the server does", async () => {
    const listening = await FramePeer.listen({ isSilent: true });
    const dialling = plaintextDialer(new TestingClock())("127.0.0.1", listening.port, 1000).catch(() => {});
    const peer = await listening.peer;
    expect((await peer.next("SETTINGS")).payload.subarray(0, 6).toString("hex")).toBe("000200000000");
    expect(clientPreface.length).toBe(24);
    peer.close();
    await dialling;
    listening.close();
  });
});
