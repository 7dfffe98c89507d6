// What a client can break, each with the exact code and scope of the answer (RFC 9113; "connection" is GOAWAY, "stream"
// is RST_STREAM on a connection that goes on).

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorCode, errorCodeName } from "./error-code.ts";
import { Flag } from "./frames.ts";
import type { HeaderFields } from "./header-field.ts";
import {
  block,
  dataFrame,
  FramePeer,
  fieldsOf,
  frame,
  getRequest,
  headersFrame,
  postRequest,
  settingsFrame,
  uint32,
} from "./testing/frame-peer.ts";
import { type ScriptedServer, scriptedServer } from "./testing/scripted-server.ts";

let server: ScriptedServer;

beforeAll(async () => {
  server = await scriptedServer();
});
afterAll(() => server.listening.drain(0));

const open = headersFrame(1, postRequest);
const ended = headersFrame(1, getRequest, { end: true });
const padded = Flag.PADDED | Flag.END_HEADERS;

const connectionErrors: [string, ErrorCode, Buffer[]][] = [
  ["§4.2 a frame longer than announced", ErrorCode.FRAME_SIZE_ERROR, [frame("DATA", 0, 1, Buffer.alloc(16_385))]],
  [
    "§4.3 a block that breaks in a CONTINUATION",
    ErrorCode.COMPRESSION_ERROR,
    [frame("HEADERS", 1, 1, "82"), frame("CONTINUATION", 4, 1, "80")],
  ],
  ["§4.3 index 0", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "80")]],
  ["§4.3 an index beyond both tables", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "be")]],
  ["§4.3 an integer that never ends", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "ffffffffff0f")]],
  ["§4.3 EOS inside a string", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "00016184ffffffff")]],
  ["§4.3 Huffman padding of eight bits", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "000161821fff")]],
  ["§4.3 Huffman padding of zeros", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "0001618118")]],
  ["§4.3 a size update inside a block", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "8220")]],
  ["§4.3 a size update above what we announced", ErrorCode.COMPRESSION_ERROR, [frame("HEADERS", 5, 1, "3fe21f")]],
  ["§5.1 DATA on an idle stream", ErrorCode.PROTOCOL_ERROR, [dataFrame(1, 1)]],
  ["§5.1 RST_STREAM on an idle stream", ErrorCode.PROTOCOL_ERROR, [frame("RST_STREAM", 0, 1, uint32(8))]],
  ["§5.1 WINDOW_UPDATE on an idle stream", ErrorCode.PROTOCOL_ERROR, [frame("WINDOW_UPDATE", 0, 1, uint32(1))]],
  ["§5.1 DATA after END_STREAM", ErrorCode.STREAM_CLOSED, [ended, dataFrame(1, 1)]],
  ["§5.1 HEADERS after END_STREAM", ErrorCode.STREAM_CLOSED, [ended, ended]],
  ["§5.1.1 an even stream id", ErrorCode.PROTOCOL_ERROR, [headersFrame(2, getRequest, { end: true })]],
  ["§5.1.1 a stream id below an earlier one", ErrorCode.STREAM_CLOSED, [headersFrame(5, getRequest), open]],
  ["§6.1 DATA on stream 0", ErrorCode.PROTOCOL_ERROR, [dataFrame(0, 1)]],
  [
    "§6.1 DATA with padding as long as the payload",
    ErrorCode.PROTOCOL_ERROR,
    [open, frame("DATA", Flag.PADDED, 1, "0500")],
  ],
  ["§6.2 HEADERS on stream 0", ErrorCode.PROTOCOL_ERROR, [headersFrame(0, getRequest)]],
  ["§6.2 HEADERS with more padding than payload", ErrorCode.PROTOCOL_ERROR, [frame("HEADERS", padded, 1, "0982")]],
  ["§6.2 HEADERS too short for its priority", ErrorCode.FRAME_SIZE_ERROR, [frame("HEADERS", 0x24, 1, "00000000")]],
  [
    "§6.2 a frame inside a header block",
    ErrorCode.PROTOCOL_ERROR,
    [frame("HEADERS", 0, 1, "82"), frame("PING", 0, 0, Buffer.alloc(8))],
  ],
  ["§6.2 DATA inside a header block", ErrorCode.PROTOCOL_ERROR, [open, frame("HEADERS", 0, 3, "82"), dataFrame(1, 1)]],
  ["§6.3 PRIORITY on stream 0", ErrorCode.PROTOCOL_ERROR, [frame("PRIORITY", 0, 0, Buffer.alloc(5))]],
  ["§6.3 PRIORITY of 4 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("PRIORITY", 0, 1, Buffer.alloc(4))]],
  ["§6.4 RST_STREAM on stream 0", ErrorCode.PROTOCOL_ERROR, [frame("RST_STREAM", 0, 0, uint32(8))]],
  ["§6.4 RST_STREAM of 3 octets", ErrorCode.FRAME_SIZE_ERROR, [open, frame("RST_STREAM", 0, 1, "000000")]],
  ["§6.5 SETTINGS on a stream", ErrorCode.PROTOCOL_ERROR, [frame("SETTINGS", 0, 1)]],
  ["§6.5 SETTINGS of 5 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("SETTINGS", 0, 0, "0000000000")]],
  ["§6.5 SETTINGS ACK with a payload", ErrorCode.FRAME_SIZE_ERROR, [frame("SETTINGS", Flag.ACK, 0, Buffer.alloc(6))]],
  ["§6.5.2 ENABLE_PUSH 2", ErrorCode.PROTOCOL_ERROR, [settingsFrame([[2, 2]])]],
  ["§6.5.2 INITIAL_WINDOW_SIZE 2^31", ErrorCode.FLOW_CONTROL_ERROR, [settingsFrame([[4, 2 ** 31]])]],
  ["§6.5.2 MAX_FRAME_SIZE 16,383", ErrorCode.PROTOCOL_ERROR, [settingsFrame([[5, 16_383]])]],
  ["§6.5.2 MAX_FRAME_SIZE 2^24", ErrorCode.PROTOCOL_ERROR, [settingsFrame([[5, 2 ** 24]])]],
  ["§6.6 PUSH_PROMISE from a client", ErrorCode.PROTOCOL_ERROR, [open, frame("PUSH_PROMISE", 4, 1, "0000000282")]],
  ["§6.7 PING on a stream", ErrorCode.PROTOCOL_ERROR, [frame("PING", 0, 1, Buffer.alloc(8))]],
  ["§6.7 PING of 7 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("PING", 0, 0, Buffer.alloc(7))]],
  ["§6.8 GOAWAY on a stream", ErrorCode.PROTOCOL_ERROR, [frame("GOAWAY", 0, 1, Buffer.alloc(8))]],
  ["§6.9 WINDOW_UPDATE of 0 on the connection", ErrorCode.PROTOCOL_ERROR, [frame("WINDOW_UPDATE", 0, 0, uint32(0))]],
  ["§6.9 WINDOW_UPDATE of 0 on a stream", ErrorCode.PROTOCOL_ERROR, [open, frame("WINDOW_UPDATE", 0, 1, uint32(0))]],
  ["§5.3.1 of RFC 7540: HEADERS on itself", ErrorCode.PROTOCOL_ERROR, [frame("HEADERS", 0x24, 1, "000000010082")]],
  ["§6.9 WINDOW_UPDATE of 3 octets", ErrorCode.FRAME_SIZE_ERROR, [frame("WINDOW_UPDATE", 0, 0, "000001")]],
  [
    "§6.9.1 overflow of the connection's window",
    ErrorCode.FLOW_CONTROL_ERROR,
    [frame("WINDOW_UPDATE", 0, 0, uint32(2 ** 31 - 1))],
  ],
  [
    "§6.9.2 INITIAL_WINDOW_SIZE that overflows a stream's window",
    ErrorCode.FLOW_CONTROL_ERROR,
    [open, frame("WINDOW_UPDATE", 0, 1, uint32(2 ** 31 - 1 - 65_535)), settingsFrame([[4, 65_536]])],
  ],
  ["§6.10 CONTINUATION without HEADERS", ErrorCode.PROTOCOL_ERROR, [frame("CONTINUATION", 4, 1, "82")]],
  [
    "§6.10 CONTINUATION on another stream",
    ErrorCode.PROTOCOL_ERROR,
    [frame("HEADERS", 0, 1, "82"), frame("CONTINUATION", 4, 3, "84")],
  ],
];

describe("rules whose breach ends the connection", () => {
  test.each(connectionErrors)("%s", async (_title, code, frames) => {
    const peer = await FramePeer.connect(server.port);
    await peer.settled();
    peer.send(...frames);
    const goaway = await peer.next("GOAWAY");
    expect(errorCodeName(goaway.code)).toBe(errorCodeName(code));
    expect(goaway.debug).toContain(errorCodeName(code).toLowerCase());
    peer.close();
  });

  // Over 200 ms: a thousand connections, each with input behind the error that nobody reads.
  test("GOAWAY is readable before the end of the connection in 1,000 of 1,000 runs", async () => {
    const run = async () => {
      const peer = await FramePeer.connect(server.port);
      peer.send(frame("PING", 0, 1, Buffer.alloc(8)), dataFrame(1, 16_000), dataFrame(1, 16_000));
      const { code } = await peer.next("GOAWAY");
      peer.close();
      return code;
    };
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) seen.push(...(await Promise.all(Array.from({ length: 50 }, run))));
    expect(seen.filter((code) => code === ErrorCode.PROTOCOL_ERROR).length).toBe(1000);
  }, 30_000);

  test("a connection error closes the socket within the linger of a second, whatever the peer does", async () => {
    const own = await scriptedServer();
    const peer = await FramePeer.connect(own.port);
    await peer.settled();
    peer.send(frame("PING", 0, 1, Buffer.alloc(8)));
    await peer.next("GOAWAY");
    await own.clock.advance(1000);
    await peer.closed;
    await expect.poll(() => own.listening.connections).toBe(0);
    await own.listening.drain(0);
  });

  test("§3.4 something else than the preface, and a first frame that is not SETTINGS", async () => {
    for (const first of [
      Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"),
    ]) {
      const peer = await FramePeer.connect(server.port, { isSilent: true });
      peer.send(first);
      expect((await peer.next("GOAWAY")).code).toBe(ErrorCode.PROTOCOL_ERROR);
      peer.close();
    }
    const peer = await FramePeer.connect(server.port, { isSilent: true });
    peer.send(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame("PING", 0, 0, Buffer.alloc(8)));
    expect((await peer.next("GOAWAY")).code).toBe(ErrorCode.PROTOCOL_ERROR);
    peer.close();
  });
});

const withField = (name: string, value: string) => [...getRequest, ...fieldsOf([name, value])];
const without = (name: string) => getRequest.filter((field) => field.name !== name);
const replaced = (name: string, value: string) =>
  getRequest.map((f) => (f.name === name ? fieldsOf([name, value])[0]! : f));

const malformedRequests: [string, HeaderFields][] = [
  ["§8.2.1 a capital in a name", withField("X-Name", "1")],
  ["§8.2.1 a space in a name", withField("x name", "1")],
  ["§8.2.1 a colon inside a name", withField("x:name", "1")],
  ["§8.2.1 an octet above 127 in a name", withField("x\u00fc", "1")],
  ["§8.2.1 an empty name", withField("", "1")],
  ["§8.2.1 a line feed in a value", withField("x", "a\nb: c")],
  ["§8.2.1 a carriage return in a value", withField("x", "a\r")],
  ["§8.2.1 NUL in a value", withField("x", "a\0b")],
  ["§8.2.1 a space before a value", withField("x", " a")],
  ["§8.2.1 a tab behind a value", withField("x", "a\t")],
  ["§8.2.2 connection", withField("connection", "close")],
  ["§8.2.2 transfer-encoding", withField("transfer-encoding", "chunked")],
  ["§8.2.2 upgrade", withField("upgrade", "h2c")],
  ["§8.2.2 te: gzip", withField("te", "gzip")],
  ["§8.3 a pseudo-header field behind a regular one", [...without(":path"), ...fieldsOf(["x", "1"], [":path", "/"])]],
  ["§8.3 an unknown pseudo-header field", [...fieldsOf([":version", "2"]), ...getRequest]],
  ["§8.3 :status in a request", [...fieldsOf([":status", "200"]), ...getRequest]],
  ["§8.3.1 no :method", without(":method")],
  ["§8.3.1 no :scheme", without(":scheme")],
  ["§8.3.1 no :path", without(":path")],
  ["§8.3.1 :path twice", [...fieldsOf([":path", "/a"]), ...getRequest]],
  ["§8.3.1 an empty :path", replaced(":path", "")],
  ["§8.3.1 a :path without a slash", replaced(":path", "a.B/C")],
  ["§10.3 a space in :method", replaced(":method", "GET / HTTP/1.1")],
  ["§10.3 a control character in :method", replaced(":method", "GET\u0010")],
  ["§10.3 a path in :scheme", replaced(":scheme", "http://other/?")],
  ["§10.3 a space in :path", replaced(":path", "/ HTTP/1.1")],
  ["§10.3 DEL in :path", replaced(":path", "/\u007f")],
  ["§10.3 a space in :authority", replaced(":authority", "test other")],
  ["§10.3 a path in :authority", replaced(":authority", "test/other")],
  ["§10.3 a tab in host", [...without(":authority"), ...fieldsOf(["host", "a\tb"])]],
  ["§8.3.1 user information in :authority", replaced(":authority", "me@host")],
  ["§8.3.1 a host that differs from :authority", withField("host", "other")],
  ["§8.1.1 content-length without content", withField("content-length", "5")],
  ["§8.6 a content-length that is no number", withField("content-length", "5, 5")],
];

describe("malformed requests", () => {
  test.each(malformedRequests)(
    "%s resets the stream with PROTOCOL_ERROR and reaches nobody",
    async (_title, fields) => {
      const peer = await FramePeer.connect(server.port);
      const before = server.requests.length;
      peer.send(headersFrame(1, fields, { end: true }));
      expect(await peer.next("RST_STREAM", "GOAWAY")).toMatchObject({
        type: "RST_STREAM",
        id: 1,
        code: ErrorCode.PROTOCOL_ERROR,
      });
      expect(server.requests.length).toBe(before);
      peer.send(headersFrame(3, getRequest, { end: true }));
      await peer.settled();
      expect(server.requests.length).toBe(before + 1);
      peer.close();
    },
  );

  const bodies: [string, Buffer[]][] = [
    [
      "§8.1.1 content shorter than content-length",
      [headersFrame(1, [...postRequest, ...fieldsOf(["content-length", "5"])]), dataFrame(1, 4, true)],
    ],
    [
      "§8.1.1 content longer than content-length",
      [headersFrame(1, [...postRequest, ...fieldsOf(["content-length", "5"])]), dataFrame(1, 6)],
    ],
    ["§8.1 a second HEADERS without END_STREAM", [open, headersFrame(1, fieldsOf(["x", "1"]))]],
    ["§8.1 a pseudo-header field in trailers", [open, headersFrame(1, fieldsOf([":path", "/"]), { end: true })]],
  ];
  test.each(bodies)("%s resets the stream, and the handler is told", async (_title, frames) => {
    const peer = await FramePeer.connect(server.port);
    peer.send(...frames.slice(0, 1));
    await peer.settled();
    let aborted = 0;
    server.requests.at(-1)!.onAbort(() => aborted++);
    peer.send(...frames.slice(1));
    expect(await peer.next("RST_STREAM", "GOAWAY")).toMatchObject({
      type: "RST_STREAM",
      id: 1,
      code: ErrorCode.PROTOCOL_ERROR,
    });
    expect(aborted).toBe(1);
    peer.close();
  });

  test("after a refused block HPACK is in step: its entries are known to the next", async () => {
    const peer = await FramePeer.connect(server.port);
    const insert = Buffer.concat([
      block([...getRequest, ...fieldsOf(["connection", "x"])]),
      Buffer.from("4001610178", "hex"),
    ]);
    peer.send(frame("HEADERS", 5, 1, insert));
    peer.send(frame("HEADERS", 5, 3, Buffer.concat([block(getRequest), Buffer.from("be", "hex")])));
    await peer.settled();
    expect(server.requests.at(-1)!.fields.at(-1)).toMatchObject({ name: "a", value: "x" });
    peer.close();
  });
});

describe("flow control broken by the peer", () => {
  test("§6.9.1 overflow of a stream's window resets the stream, then ends the connection (CVE-2025-8671)", async () => {
    const peer = await FramePeer.connect(server.port);
    peer.send(open, frame("WINDOW_UPDATE", 0, 1, uint32(2 ** 31 - 1)));
    expect(await peer.next("RST_STREAM", "GOAWAY")).toMatchObject({
      type: "RST_STREAM",
      id: 1,
      code: ErrorCode.FLOW_CONTROL_ERROR,
    });
    expect(await peer.next("GOAWAY")).toMatchObject({ code: ErrorCode.FLOW_CONTROL_ERROR, lastStreamId: 1 });
    await peer.closed;
  });

  test("§6.9 DATA beyond the stream's window resets the stream with FLOW_CONTROL_ERROR", async () => {
    const small = await scriptedServer(undefined, { windows: { streamBytes: 100_000, connectionBytes: 1_000_000 } });
    const peer = await FramePeer.connect(small.port);
    peer.send(open, ...Array.from({ length: 6 }, () => dataFrame(1, 16_000)));
    await peer.settled();
    expect(peer.seen.some(({ type }) => type === "RST_STREAM")).toBe(false);
    peer.send(dataFrame(1, 4001));
    expect(await peer.next("RST_STREAM", "GOAWAY")).toMatchObject({
      type: "RST_STREAM",
      code: ErrorCode.FLOW_CONTROL_ERROR,
    });
    await peer.settled();
    peer.close();
    await small.listening.drain(0);
  });

  test("§6.9.2 a window below the default holds only once our SETTINGS were acknowledged", async () => {
    const small = await scriptedServer(undefined, { windows: { streamBytes: 10, connectionBytes: 1_000_000 } });
    const peer = await FramePeer.connect(small.port, { isSilent: true });
    peer.send(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settingsFrame(), open, dataFrame(1, 16_000));
    await peer.settled();
    expect(peer.seen.some(({ type }) => type === "RST_STREAM" || type === "GOAWAY")).toBe(false);
    peer.send(frame("SETTINGS", Flag.ACK, 0), headersFrame(3, postRequest), dataFrame(3, 11));
    expect(await peer.next("RST_STREAM", "GOAWAY")).toMatchObject({ type: "RST_STREAM", id: 3 });
    peer.close();
    await small.listening.drain(0);
  });
});
