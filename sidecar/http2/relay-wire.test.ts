// A relay between two scripted peers: what of a message reaches the other side, as it is on the wire, and what never
// does. The relay is testing/relay.ts, so this holds for the streams of this folder, not for the layers of a proxy.

import { describe, expect, onTestFinished, test } from "vitest";
import { ErrorCode } from "./error-code.ts";
import { Flag } from "./frames.ts";
import { HeaderField, type HeaderFields } from "./header-field.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
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
  type SeenFrame,
  uint32,
} from "./testing/frame-peer.ts";
import { startRelay } from "./testing/relay.ts";

/** `client` -> relay -> `server`; the second is there once a request was relayed. */
async function relaying(clientOptions: PeerOptions = {}, serverOptions: PeerOptions = {}) {
  const upstream = await FramePeer.listen({ answersPings: true, ...serverOptions });
  const refusals: string[] = [];
  const relay = await startRelay(0, upstream.port, { onRefused: (reason) => refusals.push(reason) });
  const client = await FramePeer.connect(relay.port, { answersPings: true, ...clientOptions });
  onTestFinished(async () => {
    client.close();
    upstream.close();
    const closed = relay.close();
    await upstream.peer.then((peer) => peer.close());
    await closed;
  });
  return { client, server: upstream.peer, relay, refusals };
}

/** The same, with a POST relayed on stream 1. */
async function relayed(clientOptions: PeerOptions = {}, serverOptions: PeerOptions = {}) {
  const made = await relaying(clientOptions, serverOptions);
  made.client.send(headersFrame(1, postRequest));
  const server = await made.server;
  await server.next("HEADERS");
  return { ...made, server };
}

const decoded = ({ payload }: SeenFrame) => {
  const decoder = new HpackDecoder({ maxHeaderListBytes: 1 << 20, maxFields: 1000 });
  return decoder.decode(payload, 0, payload.length);
};
const content = (peer: FramePeer, id: number) =>
  Buffer.concat(peer.seen.filter(({ type, id: on }) => type === "DATA" && on === id).map(({ payload }) => payload));

describe("header fields", () => {
  test("a never-indexed one stays so in both directions, from the table or not", async () => {
    const { client, server } = await relaying();
    const secret = [...getRequest, new HeaderField("authorization", "bearer x", true), new HeaderField("x", "y", true)];
    for (const id of [1, 3, 5]) {
      client.send(headersFrame(id, secret, { end: true }));
      const upstream = await server;
      const seen = decoded(await upstream.next("HEADERS"));
      expect(seen.filter((field) => field.neverIndexed).map(({ name }) => name)).toEqual(["authorization", "x"]);
      upstream.send(headersFrame(id, [...ok, new HeaderField("set-cookie", "a=b", true)], { end: true }));
      const back = decoded(await client.next("HEADERS"));
      expect(back.map((field) => [field.name, field.neverIndexed])).toEqual([
        [":status", false],
        ["set-cookie", true],
      ]);
    }
  });

  test("nothing that clients send is ever put into the table of the connection that they share", async () => {
    const { client, relay, server } = await relaying();
    const other = await FramePeer.connect(relay.port);
    const indexing = block(getRequest);
    const literal = (name: string, value: string) =>
      Buffer.concat([Buffer.of(0x40, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
    const one = Buffer.concat([indexing, literal("authorization", "one"), literal("x-id", "1")]);
    const two = Buffer.concat([indexing, literal("authorization", "two"), literal("x-id", "2")]);
    client.send(frame("HEADERS", 5, 1, one), frame("HEADERS", 5, 3, Buffer.concat([indexing, Buffer.of(0xbe)])));
    other.send(frame("HEADERS", 5, 1, two));
    const upstream = await server;
    for (let i = 0; i < 3; i++) {
      const { payload } = await upstream.next("HEADERS");
      // A decoder with no memory of the other blocks reads each: no reference, and no insertion, into a table.
      const decoder = new HpackDecoder({ maxHeaderListBytes: 1 << 20, maxFields: 1000 });
      decoder.decode(payload, 0, payload.length);
      expect(() => decoder.decode(Buffer.of(0xbe), 0, 1)).toThrow(/beyond both tables/);
    }
    other.close();
  });

  test("blocks of 60 KiB come in and go out in pieces of 16,384 octets, both ways", async () => {
    const long = fieldsOf(...Array.from({ length: 6 }, (_, i): [string, string] => [`x-${i}`, "v".repeat(10_000)]));
    const limits = { maxHeaderListBytes: 100_000 };
    const upstream = await FramePeer.listen();
    const relay = await startRelay(0, upstream.port, { limits }, limits);
    const client = await FramePeer.connect(relay.port);
    const split = (id: number, fields: HeaderFields) => {
      const whole = block(fields);
      const parts = [0, 1, 2, 3, 4, 5].map((i) => whole.subarray(i * 12_000, (i + 1) * 12_000));
      return parts
        .filter((part) => part.length > 0)
        .map((part, i, { length }) => {
          const flags = (i === 0 ? Flag.END_STREAM : 0) | (i === length - 1 ? Flag.END_HEADERS : 0);
          return frame(i === 0 ? "HEADERS" : "CONTINUATION", flags, id, part);
        });
    };
    const joined = async (peer: FramePeer) => {
      const parts = [await peer.next("HEADERS")];
      while ((parts.at(-1)!.flags & Flag.END_HEADERS) === 0) parts.push(await peer.next("CONTINUATION"));
      expect(parts.slice(0, -1).every(({ payload }) => payload.length === 16_384)).toBe(true);
      return decoded({ ...parts[0]!, payload: Buffer.concat(parts.map(({ payload }) => payload)) });
    };
    client.send(...split(1, [...getRequest, ...long]));
    const server = await upstream.peer;
    const there = await joined(server);
    expect(there.map(({ name, value }) => [name, value.length])).toEqual(
      [...getRequest, ...long].map(({ name, value }) => [name, value.length]),
    );
    server.send(...split(1, [...ok, ...long]));
    expect((await joined(client)).length).toBe(7);
    client.close();
    server.close();
    upstream.close();
    await relay.close();
  });

  test("te: trailers is passed on", async () => {
    const { client, server } = await relaying();
    client.send(headersFrame(1, [...getRequest, ...fieldsOf(["te", "trailers"])], { end: true }));
    expect((await (await server).next("HEADERS")).fields).toContain("te: trailers");
  });

  const malformed: [string, HeaderFields][] = [
    ["a capital in a name", fieldsOf(["X-a", "1"])],
    ["a space in a name", fieldsOf(["x a", "1"])],
    ["NUL in a name", fieldsOf(["x\0", "1"])],
    ["an octet above 127 in a name", fieldsOf(["x\x80", "1"])],
    ["DEL in a name", fieldsOf(["x\x7f", "1"])],
    ["a colon in a name", fieldsOf(["x:a", "1"])],
    ["an empty name", fieldsOf(["", "1"])],
    ["CR in a value", fieldsOf(["x", "a\rb"])],
    ["LF in a value", fieldsOf(["x", "a\nb"])],
    ["NUL in a value", fieldsOf(["x", "a\0b"])],
    ["a space before a value", fieldsOf(["x", " a"])],
    ["a space behind a value", fieldsOf(["x", "a "])],
    ["a tab before a value", fieldsOf(["x", "\ta"])],
    ["connection", fieldsOf(["connection", "close"])],
    ["keep-alive", fieldsOf(["keep-alive", "1"])],
    ["proxy-connection", fieldsOf(["proxy-connection", "close"])],
    ["transfer-encoding", fieldsOf(["transfer-encoding", "chunked"])],
    ["upgrade", fieldsOf(["upgrade", "h2c"])],
  ];

  test.each(malformed)("%s in a response or its trailers is not passed on to the client", async (_what, fields) => {
    const { client, server } = await relayed();
    server.send(headersFrame(1, [...ok, ...fields]));
    expect(await server.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.PROTOCOL_ERROR });
    expect(await client.next("RST_STREAM", "HEADERS")).toMatchObject({ id: 1, code: ErrorCode.INTERNAL_ERROR });
    client.send(headersFrame(3, getRequest, { end: true }));
    await server.next("HEADERS");
    server.send(headersFrame(3, ok), dataFrame(3, 5), headersFrame(3, fields, { end: true }));
    expect(await client.next("RST_STREAM")).toMatchObject({ id: 3, code: ErrorCode.INTERNAL_ERROR });
    expect(client.kinds(3).filter((kind) => kind.startsWith("HEADERS"))).toEqual(["HEADERS"]);
  });

  test.each(malformed)("%s in a request or its trailers reaches no server", async (_what, fields) => {
    const { client, server, relay } = await relaying();
    client.send(headersFrame(1, [...getRequest, ...fields], { end: true }));
    expect(await client.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.PROTOCOL_ERROR });
    expect(relay.pool.connections).toBe(0);
    client.send(headersFrame(3, postRequest), dataFrame(3, 5));
    const upstream = await server;
    await upstream.next("HEADERS");
    client.send(headersFrame(3, fields, { end: true }));
    expect(await client.next("RST_STREAM")).toMatchObject({ id: 3, code: ErrorCode.PROTOCOL_ERROR });
    expect(await upstream.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.CANCEL });
    expect(upstream.seen.some(({ type, end }) => (type === "DATA" || type === "HEADERS") && end)).toBe(false);
  });
});

describe("content", () => {
  test("that differs from content-length never looks complete to the server", async () => {
    for (const parts of [
      [dataFrame(1, 4, true)],
      [dataFrame(1, 3), dataFrame(1, 3)],
      [dataFrame(1, 3), headersFrame(1, fieldsOf(["x", "1"]), { end: true })],
    ]) {
      const { client, server } = await relaying();
      client.send(headersFrame(1, [...postRequest, ...fieldsOf(["content-length", "5"])]));
      const upstream = await server;
      await upstream.next("HEADERS");
      client.send(...parts);
      expect(await client.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.PROTOCOL_ERROR });
      expect(await upstream.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.CANCEL });
      expect(upstream.seen.some(({ type, end }) => type !== "SETTINGS" && type !== "PING" && end)).toBe(false);
    }
  });

  test("padded or not, in frames of any size, arrives octet for octet", async () => {
    const { client, server } = await relayed();
    const octets = Buffer.from(Array.from({ length: 30_000 }, (_, i) => (i * 7) % 256));
    let at = 0;
    for (let i = 1; at < octets.length; i++) {
      const piece = octets.subarray(at, at + i * 13);
      at += piece.length;
      const padding = i % 3 === 0 ? 0 : (i * 31) % 256;
      const padded = Buffer.concat([Buffer.of(padding), piece, Buffer.alloc(padding)]);
      client.send(i % 4 === 0 ? dataFrame(1, piece) : frame("DATA", Flag.PADDED, 1, padded));
    }
    client.send(dataFrame(1, 0, true));
    await client.settled();
    await expect.poll(() => server.seen.at(-1)?.end).toBe(true);
    expect(content(server, 1).equals(octets)).toBe(true);
    const head = Buffer.concat([Buffer.of(9), Buffer.alloc(5), block(ok), Buffer.alloc(9)]);
    server.send(frame("HEADERS", Flag.PADDED | Flag.PRIORITY | Flag.END_HEADERS, 1, head));
    expect((await client.next("HEADERS")).fields).toEqual([":status: 200"]);
    server.send(frame("DATA", Flag.PADDED | Flag.END_STREAM, 1, Buffer.concat([Buffer.of(4), octets.subarray(0, 99)])));
    await client.next("DATA");
    expect(content(client, 1).equals(octets.subarray(0, 95))).toBe(true);
  });

  test("a response is the same frames again: Trailers-Only stays one, no empty DATA is added", async () => {
    const { client, server } = await relayed();
    server.send(headersFrame(1, [...ok, ...fieldsOf(["grpc-status", "5"])], { end: true }));
    await client.next("RST_STREAM");
    expect(client.kinds(1)).toEqual(["HEADERS+END", "RST_STREAM"]);
    client.send(headersFrame(3, getRequest, { end: true }));
    await server.next("HEADERS");
    server.send(headersFrame(3, ok), dataFrame(3, 5), headersFrame(3, fieldsOf(["grpc-status", "0"]), { end: true }));
    await client.next("DATA");
    await client.next("HEADERS");
    expect(client.kinds(3)).toEqual(["HEADERS", "DATA", "HEADERS+END"]);
  });

  test("RST_STREAM(NO_ERROR) behind a response does not overtake what a shut window holds", async () => {
    const { client, server } = await relayed({ settings: [[4, 0]] });
    const trailers = headersFrame(1, fieldsOf(["grpc-status", "0"]), { end: true });
    server.send(headersFrame(1, ok), dataFrame(1, 12_500), trailers, frame("RST_STREAM", 0, 1, uint32(0)));
    await client.next("HEADERS");
    await server.settled();
    await client.settled();
    expect(client.kinds(1)).toEqual(["HEADERS"]);
    client.send(frame("WINDOW_UPDATE", 0, 1, uint32(1 << 20)));
    await client.next("RST_STREAM");
    expect(client.kinds(1)).toEqual(["HEADERS", "DATA", "HEADERS+END", "RST_STREAM"]);
    expect(client.seen.at(-1)!.code).toBe(ErrorCode.NO_ERROR);
    expect(client.dataBytes(1)).toBe(12_500);
  });
});

describe("resets", () => {
  test("of the client become RST_STREAM(CANCEL) to the server, and nothing more is sent either way", async () => {
    const { client, server } = await relayed();
    server.send(headersFrame(1, ok), dataFrame(1, 10));
    await client.next("DATA");
    client.send(frame("RST_STREAM", 0, 1, uint32(0x77)));
    expect(await server.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.CANCEL });
    server.send(dataFrame(1, 10), headersFrame(1, fieldsOf(["x", "1"]), { end: true }));
    client.send(headersFrame(3, getRequest, { end: true }));
    await server.next("HEADERS");
    await Promise.all([server.settled(), client.settled()]);
    expect([client.dataBytes(1), server.kinds(1)]).toEqual([10, ["HEADERS", "RST_STREAM"]]);
  });

  test("a request whose block was refused leaves HPACK in step: the next arrives whole", async () => {
    const { client, server } = await relaying();
    const insert = Buffer.from("4001610178", "hex");
    const many = Buffer.concat([insert, block(getRequest), Buffer.alloc(2000, 0xbe)]);
    client.send(frame("HEADERS", 5, 1, Buffer.concat([insert, block(fieldsOf(["Bad", "1"]))])));
    expect((await client.next("RST_STREAM")).code).toBe(ErrorCode.PROTOCOL_ERROR);
    client.send(frame("HEADERS", 5, 3, many));
    expect((await client.next("HEADERS")).fields).toEqual([":status: 431"]);
    client.send(frame("HEADERS", 5, 5, Buffer.concat([block(getRequest), Buffer.of(0xbf)])));
    expect((await (await server).next("HEADERS")).fields.at(-1)).toBe("a: x");
  });

  test("informational responses are not the final one", async () => {
    const { client, server } = await relayed();
    for (const status of ["100", "103", "199"]) server.send(headersFrame(1, fieldsOf([":status", status])));
    server.send(headersFrame(1, fieldsOf([":status", "201"]), { end: true }));
    expect((await client.next("HEADERS")).fields).toEqual([":status: 201"]);
  });
});
