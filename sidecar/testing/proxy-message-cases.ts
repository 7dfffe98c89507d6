// The proxy suite's cases of plain messages: what of a request and of a response arrives at the other side, and how.

import { expect } from "vitest";
import { Flag } from "../http2/frames.ts";
import { dataFrame, fieldsOf, frame, headersFrame } from "../http2/testing/frame-peer.ts";
import { bodyOf, type OpenRig, type ProxyCase, type ProxyRig, pick, request, shape, untilEnd } from "./proxy-rig.ts";

/** Sends a request with its header alone, and the backend's answer to it. */
async function getWith(open: OpenRig, more: [string, string][], ...answer: Buffer[]): Promise<ProxyRig> {
  const rig = await open();
  rig.client.send(headersFrame(1, request("GET", "/x", ...more), { end: true }));
  const upstream = await rig.upstream();
  await upstream.next("HEADERS");
  upstream.send(...answer);
  return rig;
}

export const messageCases: readonly ProxyCase[] = [
  {
    title: "a GET is one HEADERS with END_STREAM on both sides, and the answer's fields and body arrive",
    async run(open) {
      const answer = fieldsOf(
        [":status", "200"],
        ["content-type", "text/plain"],
        ["content-length", "5"],
        ["x-a", "b"],
      );
      const rig = await getWith(open, [["accept", "text/plain"]], headersFrame(1, answer), dataFrame(1, 5, true));
      const [head] = (await rig.upstream()).seen.filter(({ type }) => type === "HEADERS");
      expect(head).toMatchObject({ end: true });
      expect(pick(head!.fields, ":method", ":path", "accept")).toEqual([
        ":method: GET",
        ":path: /x",
        "accept: text/plain",
      ]);
      const reply = await untilEnd(rig.client, 1);
      expect(pick(reply[0]!.fields, ":status", "content-type", "content-length", "x-a")).toEqual(
        answer.map(({ name, value }) => `${name}: ${value}`),
      );
      expect(bodyOf(reply).toString()).toBe("aaaaa");
    },
  },
  {
    title: "a POST's body arrives octet for octet with its content-length, however it is cut into frames",
    async run(open) {
      const { client, upstream } = await open();
      const body = Buffer.from(Array.from({ length: 3000 }, (_, i) => i & 0xff));
      client.send(headersFrame(1, request("POST", "/x", ["content-length", "3000"])));
      for (const [from, to] of [
        [0, 1],
        [1, 1],
        [1, 1200],
        [1200, 3000],
      ] as const) {
        client.send(dataFrame(1, body.subarray(from, to), to === 3000));
      }
      const up = await untilEnd(await upstream(), 1);
      expect(pick(up[0]!.fields, "content-length")).toEqual(["content-length: 3000"]);
      expect(bodyOf(up).equals(body)).toBe(true);
    },
  },
  {
    title: "the answer to HEAD keeps its content-length and has no body",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, request("HEAD", "/x"), { end: true }));
      await (await upstream()).next("HEADERS");
      (await upstream()).send(headersFrame(1, fieldsOf([":status", "200"], ["content-length", "7"]), { end: true }));
      const reply = await untilEnd(client, 1);
      expect(shape(reply)).toEqual(["HEADERS+END"]);
      expect(pick(reply[0]!.fields, "content-length")).toEqual(["content-length: 7"]);
    },
  },
  {
    title: "HEAD is known wherever :method stands among the pseudo fields",
    async run(open) {
      const { client, upstream } = await open();
      const fields = fieldsOf([":scheme", "http"], [":authority", "test"], [":path", "/x"], [":method", "HEAD"]);
      client.send(headersFrame(1, fields, { end: true }));
      await (await upstream()).next("HEADERS");
      (await upstream()).send(headersFrame(1, fieldsOf([":status", "200"], ["content-length", "7"]), { end: true }));
      expect(shape(await untilEnd(client, 1))).toEqual(["HEADERS+END"]);
    },
  },
  ...["204", "304"].map((status) => ({
    title: `an answer ${status} stays one HEADERS with END_STREAM`,
    async run(open: OpenRig) {
      const rig = await getWith(
        open,
        [],
        headersFrame(1, fieldsOf([":status", status], ["etag", '"a"']), { end: true }),
      );
      const reply = await untilEnd(rig.client, 1);
      expect(shape(reply)).toEqual(["HEADERS+END"]);
      expect(pick(reply[0]!.fields, ":status", "etag")).toEqual([`:status: ${status}`, 'etag: "a"']);
    },
  })),
  ...(
    [
      ["short", 4],
      ["long", 6],
      ["missing", 0],
    ] as const
  ).map(([what, bytes]) => ({
    title: `a request whose content is too ${what} for its content-length is refused and never looks complete upstream`,
    async run(open: OpenRig) {
      const { client, upstream } = await open();
      const end = bytes === 0;
      client.send(headersFrame(1, request("POST", "/x", ["content-length", "5"]), { end }));
      if (!end) client.send(dataFrame(1, bytes, true));
      expect(await client.next("RST_STREAM")).toMatchObject({ id: 1, code: 1 });
      client.send(headersFrame(3, request("GET", "/after"), { end: true }));
      const up = await upstream();
      while (!(await up.next("HEADERS")).fields.includes(":path: /after"));
      const messages = up.seen.filter(({ type }) => type === "HEADERS" || type === "DATA");
      expect(messages.filter(({ end, fields }) => end && !fields.includes(":path: /after"))).toEqual([]);
    },
  })),
  ...(
    [
      ["short", 4],
      ["long", 6],
    ] as const
  ).map(([what, bytes]) => ({
    title: `an answer whose content is too ${what} for its content-length does not look complete`,
    async run(open: OpenRig) {
      const head = headersFrame(1, fieldsOf([":status", "200"], ["content-length", "5"]));
      const rig = await getWith(open, [], head, dataFrame(1, bytes, true));
      const reply = await untilEnd(rig.client, 1);
      const bad = bodyOf(reply).length === 5 || reply[0]!.fields.includes(":status: 200");
      if (bad) expect(reply.at(-1)).toMatchObject({ type: "RST_STREAM" });
      const up = await rig.upstream();
      expect(await up.next("RST_STREAM")).toMatchObject({ id: 1 });
    },
  })),
  {
    title: "informational responses do not break the call",
    async run(open) {
      const early = headersFrame(1, fieldsOf([":status", "103"], ["link", "</a.css>"]));
      const rig = await getWith(
        open,
        [],
        early,
        early,
        headersFrame(1, fieldsOf([":status", "200"])),
        dataFrame(1, 3, true),
      );
      let reply = await untilEnd(rig.client, 1);
      while (reply[0]!.fields.includes(":status: 103")) reply = reply.slice(1);
      expect(pick(reply[0]!.fields, ":status")).toEqual([":status: 200"]);
      expect(bodyOf(reply).toString()).toBe("aaa");
      expect(reply.at(-1)).toMatchObject({ end: true });
    },
  },
  {
    title: "103 is passed on (RFC 9110 §15.2)",
    async run(open) {
      const early = headersFrame(1, fieldsOf([":status", "103"], ["link", "</a.css>"]));
      const rig = await getWith(open, [], early, headersFrame(1, fieldsOf([":status", "204"]), { end: true }));
      const reply = await untilEnd(rig.client, 1);
      expect(pick(reply[0]!.fields, ":status", "link")).toEqual([":status: 103", "link: </a.css>"]);
    },
  },
  {
    title: "a client that expects 100 gets it before it sends its body",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, request("POST", "/x", ["expect", "100-continue"])));
      const up = await upstream();
      const head = await up.next("HEADERS");
      if (pick(head.fields, "expect").length > 0) up.send(headersFrame(1, fieldsOf([":status", "100"])));
      expect(pick((await client.next("HEADERS")).fields, ":status")).toEqual([":status: 100"]);
      client.send(dataFrame(1, 4, true));
      expect(bodyOf(await untilEnd(up, 1)).length).toBe(4);
      up.send(headersFrame(1, fieldsOf([":status", "200"]), { end: true }));
      expect(shape(await untilEnd(client, 1))).toEqual(["HEADERS+END"]);
    },
  },
  {
    title: "trailers arrive, the request's and the response's",
    async run(open) {
      const { client, upstream } = await open();
      const trailers = fieldsOf(["x-checksum", "abc"]);
      client.send(headersFrame(1, request("POST", "/x")), dataFrame(1, 2), headersFrame(1, trailers, { end: true }));
      const up = await untilEnd(await upstream(), 1);
      expect(shape(up)).toEqual(["HEADERS", "DATA(2)", "HEADERS+END"]);
      expect(up.at(-1)!.fields).toEqual(["x-checksum: abc"]);
      (await upstream()).send(
        headersFrame(1, fieldsOf([":status", "200"])),
        dataFrame(1, 9),
        headersFrame(1, trailers, { end: true }),
      );
      const reply = await untilEnd(client, 1);
      expect(shape(reply)).toEqual(["HEADERS", "DATA(9)", "HEADERS+END"]);
      expect(reply.at(-1)!.fields).toEqual(["x-checksum: abc"]);
    },
  },
  {
    title: "cookie crumbs are the same cookie upstream (RFC 9113 §8.2.3)",
    async run(open) {
      const crumbs: [string, string][] = [
        ["cookie", "a=1"],
        ["cookie", "b=2"],
        ["cookie", "c=3"],
      ];
      const rig = await getWith(open, crumbs, headersFrame(1, fieldsOf([":status", "204"]), { end: true }));
      const [head] = (await rig.upstream()).seen.filter(({ type }) => type === "HEADERS");
      const values = pick(head!.fields, "cookie").map((field) => field.slice("cookie: ".length));
      expect(values.join("; ")).toBe("a=1; b=2; c=3");
      expect(shape(await untilEnd(rig.client, 1))).toEqual(["HEADERS+END"]);
    },
  },
  {
    title: "fields of one name stay apart and in order, in both directions",
    async run(open) {
      const twice: [string, string][] = [
        ["x-m", "1"],
        ["x-n", "-"],
        ["x-m", "2"],
        ["x-m", "1"],
      ];
      const rig = await getWith(open, twice, headersFrame(1, fieldsOf([":status", "204"], ...twice), { end: true }));
      const [head] = (await rig.upstream()).seen.filter(({ type }) => type === "HEADERS");
      expect(pick(head!.fields, "x-m")).toEqual(["x-m: 1", "x-m: 2", "x-m: 1"]);
      expect(pick((await untilEnd(rig.client, 1))[0]!.fields, "x-m")).toEqual(["x-m: 1", "x-m: 2", "x-m: 1"]);
    },
  },
  {
    title: "padding is taken off or kept, and the payload is the same",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, request("POST", "/x")));
      const padded = Buffer.concat([Buffer.from([20]), Buffer.from("payload"), Buffer.alloc(20)]);
      client.send(frame("DATA", Flag.PADDED | Flag.END_STREAM, 1, padded));
      const up = await untilEnd(await upstream(), 1);
      const text = up
        .filter(({ type }) => type === "DATA")
        .map(({ flags, payload }) =>
          (flags & Flag.PADDED) === 0 ? payload : payload.subarray(1, payload.length - payload[0]!),
        );
      expect(Buffer.concat(text).toString()).toBe("payload");
    },
  },
];
