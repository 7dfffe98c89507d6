// The proxy suite's cases of gRPC: what its framing and its status need beyond plain HTTP/2.

import { expect } from "vitest";
import { dataFrame, fieldsOf, frame, headersFrame, uint32 } from "../http2/testing/frame-peer.ts";
import { bodyOf, grpcMessage, grpcOk, grpcRequest, type ProxyCase, pick, shape, untilEnd } from "./proxy-rig.ts";

const status0 = fieldsOf(["grpc-status", "0"]);

/** RST_STREAM as a peer sends it. */
function rstStream(id: number, code: number): Buffer {
  return frame("RST_STREAM", 0, id, uint32(code));
}

export const grpcCases: readonly ProxyCase[] = [
  {
    title: "Trailers-Only stays one HEADERS with END_STREAM",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3), true));
      await (await upstream()).next("HEADERS");
      const fields = [...grpcOk, ...fieldsOf(["grpc-status", "5"], ["grpc-message", "no such quote"])];
      (await upstream()).send(headersFrame(1, fields, { end: true }));
      const reply = await untilEnd(client, 1);
      expect(shape(reply)).toEqual(["HEADERS+END"]);
      const sent = fields.map(({ name, value }) => `${name}: ${value}`);
      expect(pick(reply[0]!.fields, ...fields.map(({ name }) => name))).toEqual(sent);
    },
  },
  {
    title: "header and trailers without a message stay two blocks, with no DATA between them",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3), true));
      await (await upstream()).next("HEADERS");
      (await upstream()).send(headersFrame(1, grpcOk), headersFrame(1, status0, { end: true }));
      expect(shape(await untilEnd(client, 1))).toEqual(["HEADERS", "HEADERS+END"]);
    },
  },
  {
    title: "a message and its trailers are HEADERS, DATA, HEADERS, with no empty DATA added",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3), true));
      const up = await upstream();
      expect(shape(await untilEnd(up, 1))).toEqual(["HEADERS", "DATA(8)+END"]);
      up.send(headersFrame(1, grpcOk), dataFrame(1, grpcMessage(20)), headersFrame(1, status0, { end: true }));
      expect(shape(await untilEnd(client, 1))).toEqual(["HEADERS", "DATA(25)", "HEADERS+END"]);
    },
  },
  {
    title: "an empty DATA with END_STREAM behind the message, as stock clients send it, ends the request upstream",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3)));
      const up = await upstream();
      expect((await up.next("DATA")).payload.length).toBe(8);
      client.send(dataFrame(1, 0, true));
      expect(shape(await untilEnd(up, 1))).toEqual(["DATA(0)+END"]);
    },
  },
  {
    title: "grpc-message, -bin metadata and grpc-status-details-bin arrive as they were, octet for octet",
    async run(open) {
      const { client, upstream } = await open();
      const sent: [string, string][] = [
        ["x-id-bin", "q6ur"],
        ["x-id-bin", "q6urAA=="],
        ["x-joined-bin", "AAA,/+8,"],
        ["x-text", "~!%20 \x7e"],
      ];
      client.send(headersFrame(1, grpcRequest(...sent)), dataFrame(1, grpcMessage(1), true));
      const up = await upstream();
      const names = ["x-id-bin", "x-joined-bin", "x-text", "grpc-message", "grpc-status-details-bin"];
      expect(pick((await up.next("HEADERS")).fields, ...names)).toEqual(sent.map(([n, v]) => `${n}: ${v}`));
      const details = Buffer.from(Array.from({ length: 3000 }, (_, i) => i & 0xff)).toString("base64");
      const trailers: [string, string][] = [
        ["grpc-status", "9"],
        ["grpc-message", "bad %zz and %E2%82%AC and %"],
        ["grpc-status-details-bin", details.replace(/=+$/, "")],
        ["x-id-bin", "AA"],
        ["x-id-bin", "AQ"],
      ];
      up.send(headersFrame(1, grpcOk), headersFrame(1, fieldsOf(...trailers), { end: true }));
      const reply = await untilEnd(client, 1);
      expect(reply.at(-1)!.fields).toEqual(trailers.map(([n, v]) => `${n}: ${v}`));
    },
  },
  {
    title:
      "DATA, trailers and RST(NO_ERROR) that come while the client's window is shut arrive whole and in this order",
    async run(open) {
      const { client, upstream } = await open({ client: { settings: [[4, 0]] } });
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3)));
      const up = await upstream();
      await up.next("DATA");
      up.send(
        headersFrame(1, grpcOk),
        dataFrame(1, grpcMessage(9_995)),
        headersFrame(1, status0, { end: true }),
        rstStream(1, 0),
      );
      await up.settled();
      await client.settled();
      expect(client.dataBytes(1)).toBe(0);
      client.send(frame("WINDOW_UPDATE", 0, 1, uint32(4_000)));
      await client.settled();
      client.send(frame("WINDOW_UPDATE", 0, 1, uint32(60_000)));
      const reply = await untilEnd(client, 1);
      expect(bodyOf(reply).equals(grpcMessage(9_995))).toBe(true);
      expect(reply.at(-1)).toMatchObject({ type: "HEADERS", end: true, fields: ["grpc-status: 0"] });
    },
  },
  {
    title: "an answer that is complete before its request reaches the client, and then only RST(NO_ERROR)",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3)));
      const up = await upstream();
      await up.next("DATA");
      up.send(headersFrame(1, grpcOk), dataFrame(1, grpcMessage(4)), headersFrame(1, status0, { end: true }));
      expect(shape(await untilEnd(client, 1))).toEqual(["HEADERS", "DATA(9)", "HEADERS+END"]);
      expect(await client.next("RST_STREAM")).toMatchObject({ id: 1, code: 0 });
    },
  },
  {
    title: "a client's RST_STREAM reaches the backend as RST_STREAM(CANCEL), and no more DATA flows either way",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3)));
      const up = await upstream();
      await up.next("DATA");
      up.send(headersFrame(1, grpcOk), dataFrame(1, grpcMessage(4)));
      await client.next("DATA");
      client.send(rstStream(1, 8));
      expect(await up.next("RST_STREAM")).toMatchObject({ id: 1, code: 8 });
      up.send(dataFrame(1, grpcMessage(4)), headersFrame(1, status0, { end: true }));
      await Promise.all([up.settled(), client.settled()]);
      expect(client.dataBytes(1)).toBe(9);
      expect(up.dataBytes(1)).toBe(8);
    },
  },
  {
    title: "RST_STREAM(NO_ERROR) does not stand in for missing trailers",
    async run(open) {
      const { client, upstream } = await open();
      client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(3), true));
      const up = await upstream();
      await up.next("DATA");
      up.send(headersFrame(1, grpcOk), dataFrame(1, grpcMessage(4)), rstStream(1, 0));
      const last = (await untilEnd(client, 1)).at(-1)!;
      if (last.type === "RST_STREAM") expect(last.code).not.toBe(0);
      else expect(pick(last.fields, "grpc-status")).toEqual(["grpc-status: 13"]);
    },
  },
];
