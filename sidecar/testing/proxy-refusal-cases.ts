// The proxy suite's cases of requests that a proxy must not pass on, or not as they came.

import { expect } from "vitest";
import { dataFrame, fieldsOf, headersFrame, settingsFrame } from "../http2/testing/frame-peer.ts";
import {
  grpcRequest,
  type OpenRig,
  type ProxyCase,
  type ProxyRig,
  pick,
  request,
  shape,
  untilEnd,
} from "./proxy-rig.ts";

/** That nothing of stream 1 reached the backend: the first request it sees is the one that follows. */
async function nothingReached({ client, upstream }: ProxyRig): Promise<void> {
  client.send(headersFrame(99, request("GET", "/after"), { end: true }));
  const up = await upstream();
  expect(pick((await up.next("HEADERS")).fields, ":path")).toEqual([":path: /after"]);
}

/** Refused by RST_STREAM or by an answer of 400 or above. */
async function isRefused(rig: ProxyRig): Promise<void> {
  const [first] = await untilEnd(rig.client, 1);
  if (first!.type === "RST_STREAM") expect([1, 10, 7]).toContain(first!.code);
  else expect(Number(pick(first!.fields, ":status")[0]!.slice(9))).toBeGreaterThanOrEqual(400);
}

function refusedCase(title: string, ...pairs: [string, string][]): ProxyCase {
  return {
    title,
    async run(open: OpenRig) {
      const rig = await open();
      rig.client.send(headersFrame(1, fieldsOf(...pairs), { end: true }));
      await isRefused(rig);
      await nothingReached(rig);
    },
  };
}

const scheme: [string, string] = [":scheme", "http"];
const get: [string, string] = [":method", "GET"];
const authority: [string, string] = [":authority", "test"];

export const refusalCases: readonly ProxyCase[] = [
  refusedCase("CONNECT is refused", [":method", "CONNECT"], [":authority", "example.com:443"]),
  refusedCase(
    "CONNECT is refused where :method is not the first field",
    [":authority", "a:443"],
    [":method", "CONNECT"],
  ),
  refusedCase("a :path without a slash is refused and reaches no backend", get, scheme, [":path", "admin"], authority),
  refusedCase(
    "a :path that is a URL is refused and reaches no backend",
    get,
    scheme,
    [":path", "http://a/b"],
    authority,
  ),
  refusedCase("the path * is refused for other methods than OPTIONS", get, scheme, [":path", "*"], authority),
  refusedCase("an upgrade is refused", get, scheme, [":path", "/"], authority, ["upgrade", "h2c"]),
  refusedCase("te other than trailers is refused", get, scheme, [":path", "/"], authority, ["te", "gzip"]),
  refusedCase("a field name in capitals is refused", get, scheme, [":path", "/"], authority, ["X-Big", "1"]),
  refusedCase("a line break in a value is refused", get, scheme, [":path", "/"], authority, ["x-a", "b\r\nc: d"]),
  {
    title: "OPTIONS * is passed on as it is",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, request("OPTIONS", "*"), { end: true }));
      expect(pick((await (await upstream()).next("HEADERS")).fields, ":path")).toEqual([":path: *"]);
    },
  },
  {
    title: "a host that is :authority's equal is dropped: upstream sees exactly one authority",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, request("GET", "/", ["host", "test"]), { end: true }));
      const head = await (await upstream()).next("HEADERS");
      expect(pick(head.fields, ":authority", "host")).toEqual([":authority: test"]);
    },
  },
  {
    title: "a host without :authority becomes it: upstream sees exactly one authority",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, fieldsOf(get, scheme, [":path", "/"], ["host", "named.test"]), { end: true }));
      const head = await (await upstream()).next("HEADERS");
      expect(pick(head.fields, ":authority", "host")).toEqual([":authority: named.test"]);
    },
  },
  {
    title: "a host that differs from :authority is rejected or dropped",
    async run(open) {
      const rig = await open();
      rig.client.send(headersFrame(1, request("GET", "/differs", ["host", "other"]), { end: true }));
      const after = headersFrame(3, request("GET", "/after"), { end: true });
      rig.client.send(after);
      const up = await rig.upstream();
      const head = await up.next("HEADERS");
      expect(pick(head.fields, ":authority", "host")).toEqual([":authority: test"]);
    },
  },
  {
    title: "te: trailers goes upstream with every gRPC call",
    async run(open) {
      const { client, upstream } = await open();
      const fields = grpcRequest().filter(({ name }) => name !== "te");
      client.send(headersFrame(1, fields, { end: true }));
      client.send(headersFrame(3, grpcRequest(), { end: true }));
      for (let i = 0; i < 2; i++) {
        expect(pick((await (await upstream()).next("HEADERS")).fields, "te")).toEqual(["te: trailers"]);
      }
    },
  },
  {
    title: "a request header of 30 KiB passes",
    async run(open) {
      const { client, upstream } = await open();
      const big: [string, string][] = [
        ["x-a", "a".repeat(15_000)],
        ["x-end", "here"],
      ];
      client.send(headersFrame(1, request("GET", "/", ...big), { end: true }));
      const head = await (await upstream()).next("HEADERS");
      expect(pick(head.fields, "x-end")).toEqual(["x-end: here"]);
    },
  },
  {
    title:
      "a header over the backend's MAX_HEADER_LIST_SIZE is answered here, as gRPC status 8, and the connection lives",
    async run(open) {
      const { client, upstream } = await open({ backend: { settings: [[6, 4096]] } });
      client.send(headersFrame(1, grpcRequest(["x-big", "a".repeat(5000)])), dataFrame(1, 5, true));
      const reply = await untilEnd(client, 1);
      expect(shape(reply)).toEqual(["HEADERS+END"]);
      expect(pick(reply[0]!.fields, ":status", "grpc-status")).toEqual([":status: 200", "grpc-status: 8"]);
      client.send(headersFrame(3, grpcRequest(), { end: true }));
      const up = await upstream();
      const head = await up.next("HEADERS");
      expect(pick(head.fields, "x-big")).toEqual([]);
      up.send(headersFrame(head.id, fieldsOf([":status", "204"]), { end: true }));
      expect(shape(await untilEnd(client, 3))).toEqual(["HEADERS+END"]);
    },
  },
  {
    title: "SETTINGS of the backend that change nothing for us change nothing: MAX_FRAME_SIZE of 1 MiB",
    async run(open) {
      const { client, upstream } = await open({ backend: { settings: [[5, 1_048_576]] } });
      client.send(headersFrame(1, request("POST", "/")), dataFrame(1, 16_384), dataFrame(1, 16_384, true));
      const up = await upstream();
      up.send(settingsFrame([[5, 1_048_576]]));
      const frames = await untilEnd(up, 1);
      expect(up.dataBytes(1)).toBe(32_768);
      expect(Math.max(...frames.map(({ payload }) => payload.length))).toBeLessThanOrEqual(1_048_576);
    },
  },
];
