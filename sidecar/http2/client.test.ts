// Our client against a scripted server: what it sends, what it makes of answers, and when a request provably never ran.

import { describe, expect, onTestFinished, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { plaintextDialer } from "../transport/dial.ts";
import type { BodySource } from "./body.ts";
import type { ClientConnection } from "./client.ts";
import { ErrorCode, errorCodeName, type StreamError } from "./error-code.ts";
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
  ok,
  postRequest,
  settingsFrame,
  uint32,
} from "./testing/frame-peer.ts";
import { RecordingSink, ScriptedBody } from "./testing/scripted-server.ts";

async function setUp(settings: [number, number][] = [], answersPings = false) {
  const listening = await FramePeer.listen({ settings, answersPings });
  const clock = new TestingClock();
  const reasons: string[] = [];
  const dial = plaintextDialer(clock, { onForcedClose: (reason) => reasons.push(reason) });
  const client = await dial("127.0.0.1", listening.port, 1000);
  const peer = await listening.peer;
  onTestFinished(() => {
    client.destroy();
    peer.close();
    listening.close();
  });
  return { client, peer, clock, reasons };
}

class Reply {
  heads: HeaderFields[] = [];
  sink: RecordingSink | undefined = undefined;
  body: BodySource | undefined = undefined;
  failures: StreamError[] = [];
  ends: [HeaderFields | undefined, StreamError | undefined][] = [];
  informational?: (fields: HeaderFields) => void;
  readonly #attaches: boolean;

  constructor(attaches = true) {
    this.#attaches = attaches;
  }

  head(fields: HeaderFields, _end: boolean, body: BodySource): void {
    this.heads.push(fields);
    this.body = body;
    this.sink = new RecordingSink(body);
    if (this.#attaches) body.attach(this.sink);
  }

  failed(error: StreamError): void {
    this.failures.push(error);
  }

  ended(trailers: HeaderFields | undefined, error: StreamError | undefined): void {
    this.ends.push([trailers, error]);
  }
}

function get(client: ClientConnection, reply = new Reply()): Reply {
  client.request(getRequest, undefined, reply);
  return reply;
}

describe("requests", () => {
  test("ids are odd and rise; a request without a body is one HEADERS with END_STREAM", async () => {
    const { client, peer } = await setUp();
    for (let i = 0; i < 3; i++) get(client);
    const seen = [await peer.next("HEADERS"), await peer.next("HEADERS"), await peer.next("HEADERS")];
    expect(seen.map(({ id, end }) => [id, end])).toEqual([
      [1, true],
      [3, true],
      [5, true],
    ]);
    expect(peer.seen[0]).toMatchObject({ type: "SETTINGS" });
    expect(seen[0]!.fields).toEqual([":method: GET", ":scheme: http", ":path: /", ":authority: test"]);
  });

  test("a body follows its window and is granted what left", async () => {
    const { client, peer } = await setUp([[4, 100]]);
    const body = new ScriptedBody();
    client.request(postRequest, body, new Reply());
    body.push(150, true);
    await peer.settled();
    expect([peer.dataBytes(1), body.granted]).toEqual([100, 100]);
    peer.send(frame("WINDOW_UPDATE", 0, 1, uint32(50)));
    expect((await peer.next("DATA", "RST_STREAM")).payload.length).toBe(100);
    expect((await peer.next("DATA")).end).toBe(true);
    expect(body.granted).toBe(150);
  });

  test("available follows the peer's MAX_CONCURRENT_STREAMS, live; a request beyond it never ran", async () => {
    const { client, peer } = await setUp([[3, 2]]);
    expect(client.available).toBe(2);
    get(client);
    get(client);
    expect(client.available).toBe(0);
    expect(() => get(client)).toThrow(
      expect.objectContaining({ code: ErrorCode.REFUSED_STREAM, neverProcessed: true }),
    );
    peer.send(settingsFrame([[3, 5]]));
    await peer.settled();
    expect(client.available).toBe(3);
    peer.send(settingsFrame([[3, 0]]));
    await peer.settled();
    expect(client.available).toBe(0);
  });

  test("a header over the peer's MAX_HEADER_LIST_SIZE is not sent and the connection survives", async () => {
    const { client, peer } = await setUp([[6, 300]]);
    const large = [...getRequest, ...fieldsOf(["x", "v".repeat(300)])];
    expect(() => client.request(large, undefined, new Reply())).toThrow(/takes 300/);
    const reply = get(client);
    await peer.settled();
    peer.send(headersFrame(1, ok, { end: true }));
    await peer.settled();
    expect(reply.heads.length).toBe(1);
  });
});

describe("replies", () => {
  test("head, data, trailers, then ended once", async () => {
    const { client, peer } = await setUp();
    const reply = get(client);
    await peer.next("HEADERS");
    peer.send(headersFrame(1, ok), dataFrame(1, Buffer.from("ab")), dataFrame(1, Buffer.from("c")));
    peer.send(headersFrame(1, fieldsOf(["grpc-status", "0"]), { end: true }));
    await peer.settled();
    expect(reply.sink).toMatchObject({ text: "abc", hasEnded: true });
    expect(reply.ends).toMatchObject([[[{ name: "grpc-status" }], undefined]]);
    expect(client.openStreams).toBe(0);
  });

  test("informational responses are told apart from the final one", async () => {
    const { client, peer } = await setUp();
    const reply = get(client);
    const early: string[] = [];
    reply.informational = (fields) => early.push(fields[0]!.value);
    await peer.next("HEADERS");
    peer.send(headersFrame(1, fieldsOf([":status", "103"])), headersFrame(1, fieldsOf([":status", "100"])));
    peer.send(headersFrame(1, fieldsOf([":status", "204"]), { end: true }));
    await peer.settled();
    expect(early).toEqual(["103", "100"]);
    expect(reply.heads.map((fields) => fields[0]!.value)).toEqual(["204"]);
  });

  test("§8.1 RST_STREAM(NO_ERROR) behind a complete response takes nothing of it away", async () => {
    const { client, peer } = await setUp();
    const body = new ScriptedBody();
    const reply = new Reply(false);
    client.request(postRequest, body, reply);
    await peer.next("HEADERS");
    peer.send(
      headersFrame(1, ok),
      dataFrame(1, Buffer.from("all")),
      headersFrame(1, fieldsOf(["t", "1"]), { end: true }),
    );
    peer.send(frame("RST_STREAM", 0, 1, uint32(ErrorCode.NO_ERROR)));
    await peer.settled();
    reply.body!.attach(reply.sink!);
    expect(reply.sink).toMatchObject({ text: "all", hasEnded: true, error: undefined });
    expect(reply.sink!.trailerFields?.length).toBe(1);
    expect(body.cancelled).toBe(ErrorCode.NO_ERROR);
    expect(reply.ends.length).toBe(1);
  });

  test("RST_STREAM(NO_ERROR) does not stand in for missing trailers", async () => {
    const { client, peer } = await setUp();
    const reply = get(client);
    await peer.next("HEADERS");
    peer.send(headersFrame(1, ok), dataFrame(1, 3), frame("RST_STREAM", 0, 1, uint32(ErrorCode.NO_ERROR)));
    await peer.settled();
    expect(reply.sink!.error).toMatchObject({ code: ErrorCode.NO_ERROR, initiator: "peer" });
    expect(reply.ends).toMatchObject([[undefined, { initiator: "peer" }]]);
  });

  const malformed: [string, Buffer[]][] = [
    ["§8.3.2 no :status", [headersFrame(1, fieldsOf(["x", "1"]))]],
    ["§8.3.2 :status twice", [headersFrame(1, [...ok, ...ok])]],
    ["§8.3.2 :path in a response", [headersFrame(1, [...ok, ...fieldsOf([":path", "/"])])]],
    ["§8.6 101", [headersFrame(1, fieldsOf([":status", "101"]))]],
    ["§8.1 103 with END_STREAM", [headersFrame(1, fieldsOf([":status", "103"]), { end: true })]],
    ["§8.2.1 a line feed in a value", [headersFrame(1, [...ok, ...fieldsOf(["x", "a\nb"])])]],
    ["§8.1 DATA before the header", [dataFrame(1, 1)]],
    [
      "§8.1.1 less content than content-length",
      [headersFrame(1, [...ok, ...fieldsOf(["content-length", "2"])]), dataFrame(1, 1, true)],
    ],
    ["§8.3 a pseudo-header field in trailers", [headersFrame(1, ok), headersFrame(1, ok, { end: true })]],
  ];
  test.each(malformed)(
    "%s fails the stream with PROTOCOL_ERROR, and nothing looks complete",
    async (_title, frames) => {
      const { client, peer } = await setUp();
      const reply = get(client);
      await peer.next("HEADERS");
      peer.send(...frames);
      expect(await peer.next("RST_STREAM", "GOAWAY")).toMatchObject({
        type: "RST_STREAM",
        code: ErrorCode.PROTOCOL_ERROR,
      });
      expect(reply.ends).toMatchObject([
        [undefined, { code: ErrorCode.PROTOCOL_ERROR, initiator: "us", neverProcessed: false }],
      ]);
      expect(reply.sink?.hasEnded ?? false).toBe(false);
      await peer.settled();
    },
  );

  test("a header over our limit fails the stream alone", async () => {
    const { client, peer } = await setUp();
    const reply = get(client);
    await peer.next("HEADERS");
    const many = fieldsOf(...Array.from({ length: 200 }, (): [string, string] => ["x", "1"]));
    peer.send(headersFrame(1, [...ok, ...many]));
    expect(await peer.next("RST_STREAM")).toMatchObject({ code: ErrorCode.ENHANCE_YOUR_CALM });
    expect(reply.failures).toMatchObject([{ initiator: "us" }]);
    await peer.settled();
  });

  test("PUSH_PROMISE ends the connection", async () => {
    const { client, peer, reasons } = await setUp();
    const reply = get(client);
    await peer.next("HEADERS");
    peer.send(frame("PUSH_PROMISE", Flag.END_HEADERS, 1, Buffer.concat([uint32(2), block(getRequest)])));
    const goaway = await peer.next("GOAWAY");
    expect(errorCodeName(goaway.code)).toBe("PROTOCOL_ERROR");
    expect(reply.failures).toMatchObject([{ initiator: "connection", neverProcessed: false }]);
    expect(reasons).toEqual(["protocol_error"]);
  });

  test("cancel sends RST_STREAM and ends the reply once", async () => {
    const { client, peer } = await setUp();
    const reply = new Reply();
    const stream = client.request(getRequest, undefined, reply);
    await peer.next("HEADERS");
    stream.cancel(ErrorCode.CANCEL);
    stream.cancel(ErrorCode.CANCEL);
    expect(await peer.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.CANCEL });
    peer.send(headersFrame(1, ok, { end: true }));
    await peer.settled();
    expect(reply.failures).toMatchObject([{ code: ErrorCode.CANCEL, initiator: "us" }]);
    expect(reply.ends.length).toBe(1);
    expect(reply.heads.length).toBe(0);
  });

  test("a cancelled stream counts against MAX_CONCURRENT_STREAMS until the server has answered a PING", async () => {
    const { client, peer } = await setUp([[3, 2]]);
    client.request(getRequest, undefined, new Reply()).cancel(ErrorCode.CANCEL);
    client.request(getRequest, undefined, new Reply()).cancel(ErrorCode.CANCEL);
    expect([client.openStreams, client.available]).toEqual([0, 0]);
    const ping = await peer.next("PING");
    expect(peer.kinds(1).at(-1)).toBe("RST_STREAM");
    peer.send(frame("PING", Flag.ACK, 0, ping.payload));
    await peer.settled();
    expect(client.available).toBe(2);
    expect(peer.seen.filter(({ type, end }) => type === "PING" && !end).length).toBe(1);
  });

  test("an answer to a later request tells as well that the cancels were read", async () => {
    const { client, peer } = await setUp([[3, 3]]);
    const early = get(client);
    client.request(getRequest, undefined, new Reply()).cancel(ErrorCode.CANCEL);
    get(client);
    expect(client.available).toBe(0);
    await peer.settled();
    peer.send(headersFrame(1, ok, { end: true }));
    await peer.settled();
    expect([early.ends.length, client.available]).toEqual([1, 1]);
    peer.send(headersFrame(5, ok, { end: true }));
    await peer.settled();
    expect(client.available).toBe(3);
  });

  test("cancels are not pinged for again before the server has sent something (gRFC A8)", async () => {
    const { client, peer } = await setUp([[3, 100]], true);
    const ours = () => peer.seen.filter(({ type, end }) => type === "PING" && !end).length;
    for (let i = 0; i < 20; i++) {
      client.request(getRequest, undefined, new Reply()).cancel(ErrorCode.CANCEL);
      await peer.settled();
    }
    expect([ours(), client.available]).toEqual([1, 100]);
    const reply = get(client);
    await peer.settled();
    peer.send(headersFrame(41, ok, { end: true }));
    await expect.poll(() => reply.ends.length).toBe(1);
    client.request(getRequest, undefined, new Reply()).cancel(ErrorCode.CANCEL);
    await peer.settled();
    expect(ours()).toBe(2);
  });

  test("a request body that breaks off is a cancel to the server", async () => {
    const { client, peer } = await setUp();
    const body = new ScriptedBody();
    const reply = new Reply();
    client.request(postRequest, body, reply);
    const { StreamError } = await import("./error-code.ts");
    body.sink!.abort(new StreamError(ErrorCode.PROTOCOL_ERROR, "peer", "client broke a rule"));
    expect(await peer.next("RST_STREAM")).toMatchObject({ code: ErrorCode.CANCEL });
    expect(reply.ends.length).toBe(1);
  });
});

describe("never processed", () => {
  test("REFUSED_STREAM before a header: yes; any other code, or after a header: no", async () => {
    const { client, peer } = await setUp();
    const replies = [get(client), get(client), get(client)];
    await peer.settled();
    peer.send(frame("RST_STREAM", 0, 1, uint32(ErrorCode.REFUSED_STREAM)));
    peer.send(frame("RST_STREAM", 0, 3, uint32(ErrorCode.CANCEL)));
    peer.send(headersFrame(5, ok), frame("RST_STREAM", 0, 5, uint32(ErrorCode.REFUSED_STREAM)));
    await peer.settled();
    expect(replies.map((reply) => reply.ends[0]![1]!.neverProcessed)).toEqual([true, false, false]);
  });

  test("§6.8 above GOAWAY's last stream: yes, and what is below goes on to its end", async () => {
    const { client, peer } = await setUp();
    const replies = [get(client), get(client)];
    let draining = 0;
    client.onDraining(() => draining++);
    await peer.settled();
    peer.send(frame("GOAWAY", 0, 0, Buffer.concat([uint32(1), uint32(0)])));
    await peer.settled();
    expect(replies[1]!.failures).toMatchObject([
      { code: ErrorCode.REFUSED_STREAM, neverProcessed: true, initiator: "peer" },
    ]);
    expect([client.state, client.available, draining]).toEqual(["draining", 0, 1]);
    peer.send(headersFrame(1, ok, { end: true }));
    await peer.closed;
    expect(replies[0]!.heads.length).toBe(1);
    await expect.poll(() => client.state).toBe("closed");
  });

  test("the connection is lost: no for what was written, yes for what was not", async () => {
    const { client, peer } = await setUp();
    const written = get(client);
    await peer.next("HEADERS");
    const unwritten = get(client);
    client.destroy();
    expect(written.failures).toMatchObject([{ initiator: "connection", neverProcessed: false }]);
    expect(unwritten.failures).toMatchObject([{ initiator: "connection", neverProcessed: true }]);
  });

  test("no SETTINGS, a refusal or another protocol: ready() rejects, never processed", async () => {
    const clock = new TestingClock();
    const silent = await FramePeer.listen({ isSilent: true });
    const dialling = plaintextDialer(clock)("127.0.0.1", silent.port, 300);
    const peer = await silent.peer;
    await peer.next("SETTINGS");
    await Promise.all([
      clock.advance(300),
      expect(dialling).rejects.toMatchObject({
        code: ErrorCode.SETTINGS_TIMEOUT,
        neverProcessed: true,
        message: /300 ms/,
      }),
    ]);
    silent.close();
    await expect(plaintextDialer(clock)("127.0.0.1", silent.port, 300)).rejects.toMatchObject({
      code: ErrorCode.CONNECT_ERROR,
      neverProcessed: true,
      message: /ECONNREFUSED/,
    });
    const other = await FramePeer.listen({ isSilent: true });
    const http1 = plaintextDialer(clock)("127.0.0.1", other.port, 300);
    (await other.peer).send(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expect(http1).rejects.toMatchObject({ code: ErrorCode.CONNECT_ERROR, neverProcessed: true });
    other.close();
  });
});

describe("closing", () => {
  test("drain says goodbye once the last stream has ended", async () => {
    const { client, peer } = await setUp();
    const reply = get(client);
    await peer.next("HEADERS");
    const drained = client.drain();
    expect(client.available).toBe(0);
    peer.send(headersFrame(1, ok, { end: true }));
    expect((await peer.next("GOAWAY")).code).toBe(ErrorCode.NO_ERROR);
    await drained;
    expect(reply.heads.length).toBe(1);
  });
});
