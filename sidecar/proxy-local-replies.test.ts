// What the proxy answers itself: to gRPC always :status 200 and one header block with a status, to plain HTTP an HTTP
// status with a sentence.

import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type FailureKind, failures } from "./failure.ts";
import { dataFrame, FramePeer, fieldsOf, headersFrame } from "./http2/testing/frame-peer.ts";
import { onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { openHttp2Client } from "./testing/http2-client.ts";
import { bodyOf, grpcMessage, grpcRequest, pick, request, shape, untilEnd } from "./testing/proxy-rig.ts";
import { type StackProxyOptions, startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function clientOf(ports: readonly number[], options: StackProxyOptions = {}): Promise<FramePeer> {
  const proxy = await startStackProxy(ports, options);
  const client = await FramePeer.connect(proxy.port);
  closers.push(
    () => proxy.close(),
    () => client.close(),
  );
  return client;
}

/** One gRPC call, one POST and one HEAD on `client` fail as `kind`, from stream `id` on. */
async function expectReplies(client: FramePeer, kind: FailureKind, id = 1): Promise<void> {
  const { status, httpStatus } = failures[kind];
  client.send(headersFrame(id, grpcRequest()), dataFrame(id, grpcMessage(3), true));
  const grpc = await untilEnd(client, id);
  expect(shape(grpc)).toEqual(["HEADERS+END"]);
  const names = [":status", "content-type", "grpc-status", "x-ferry-failure"];
  expect(pick(grpc[0]!.fields, ...names)).toEqual([
    ":status: 200",
    "content-type: application/grpc",
    `grpc-status: ${status}`,
    `x-ferry-failure: ${kind}`,
  ]);
  client.send(headersFrame(id + 2, request("POST", "/x")), dataFrame(id + 2, 3, true));
  const plain = await untilEnd(client, id + 2);
  expect(pick(plain[0]!.fields, ...names)).toEqual([
    `:status: ${httpStatus}`,
    "content-type: text/plain; charset=utf-8",
    `x-ferry-failure: ${kind}`,
  ]);
  client.send(headersFrame(id + 4, request("HEAD", "/x"), { end: true }));
  const head = await untilEnd(client, id + 4);
  expect(shape(head)).toEqual(["HEADERS+END"]);
  expect(pick(head[0]!.fields, ":status", "content-length")).toEqual(
    pick(plain[0]!.fields, ":status", "content-length"),
  );
}

describe("the proxy's own replies", () => {
  test("no route: 12 and 404", async () => {
    expect(failures.no_route).toMatchObject({ status: 12, httpStatus: 404 });
    await expectReplies(await clientOf([], { hasNoRoute: true }), "no_route");
  });

  test("no backend: 14 and 503", async () => {
    expect(failures.no_endpoint).toMatchObject({ status: 14, httpStatus: 503 });
    await expectReplies(await clientOf([]), "no_endpoint");
  });

  test("too many calls under way: 14 and 503, and the calls that are under way go on", async () => {
    const backend = await FrameBackend.listen();
    closers.push(() => backend.close());
    const client = await clientOf([backend.port], { maxCallsInFlight: 1 });
    client.send(headersFrame(1, grpcRequest()));
    const up = await backend.connection(0);
    await up.next("HEADERS");
    await expectReplies(client, "overloaded", 3);
    client.send(dataFrame(1, grpcMessage(3), true));
    expect(shape(await untilEnd(up, 1))).toEqual(["DATA(8)+END"]);
  });

  test("a request header over our own limit: 8 and 431 with its kind, and the connection lives", async () => {
    expect(failures.header_too_large).toMatchObject({ status: 8, httpStatus: 431 });
    const backend = await FrameBackend.listen(undefined, (peer) => {
      void onEachRequest(peer, ({ id }) => peer.send(headersFrame(id, noContent, { end: true })));
    });
    closers.push(() => backend.close());
    const client = await clientOf([backend.port]);
    const many = Array.from({ length: 200 }, (_, i): [string, string] => [`x-${i}`, ""]);
    client.send(headersFrame(1, grpcRequest(...many)), dataFrame(1, grpcMessage(3), true));
    const grpc = await untilEnd(client, 1);
    const names = [":status", "grpc-status", "x-ferry-failure"];
    const kind = "x-ferry-failure: header_too_large";
    expect(shape(grpc)).toEqual(["HEADERS+END"]);
    expect(pick(grpc[0]!.fields, ...names)).toEqual([":status: 200", "grpc-status: 8", kind]);
    client.send(headersFrame(3, request("POST", "/x", ...many)), dataFrame(3, 3, true));
    const plain = await untilEnd(client, 3);
    expect(pick(plain[0]!.fields, ...names)).toEqual([":status: 431", kind]);
    expect(bodyOf(plain).toString()).toContain("header_too_large: request header over this sidecar's");
    client.send(headersFrame(5, request("HEAD", "/x", ...many), { end: true }));
    const head = await untilEnd(client, 5);
    expect(shape(head)).toEqual(["HEADERS+END"]);
    expect(pick(head[0]!.fields, ...names)).toEqual([":status: 431", kind]);
    client.send(headersFrame(7, request("GET", "/x"), { end: true }));
    expect(pick((await untilEnd(client, 7))[0]!.fields, ":status")).toEqual([":status: 204"]);
    expect(backend.connections[0]!.seen.filter(({ type }) => type === "HEADERS").length).toBe(1);
  });
});

const noContent = fieldsOf([":status", "204"]);

test("header blocks of 60 KiB pass in both directions where limits allow", async () => {
  const limits = { maxHeaderListBytes: 131_072, maxHeaderBlockBytes: 131_072 };
  const big = Array.from({ length: 6 }, (_, i) => `${i}`.repeat(10_000));
  const fields = Object.fromEntries(big.map((value, i) => [`x-big-${i}`, value]));
  const server = createServer({ settings: { maxHeaderListSize: 131_072 }, maxSendHeaderBlockLength: 131_072 });
  const sessions: ServerHttp2Session[] = [];
  server.on("session", (session) => sessions.push(session));
  let received: string[] = [];
  server.on("stream", (stream, headers) => {
    received = big.map((_, i) => String(headers[`x-big-${i}`]));
    stream.respond({ ":status": 200, ...fields }, { endStream: true });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = await startStackProxy([(server.address() as AddressInfo).port], { limits });
  const client = openHttp2Client(proxy.port, { maxHeaderListSize: 131_072 });
  closers.push(
    () => server.close(),
    () => {
      for (const session of sessions) session.destroy();
    },
    () => proxy.close(),
    () => client.close(),
  );
  const reply = await client.call({ ":method": "GET", ":path": "/x", ...fields });
  expect(reply.httpStatus).toBe(200);
  expect(received).toEqual(big);
  expect(big.map((_, i) => reply.fields[`x-big-${i}`])).toEqual(big);
});
