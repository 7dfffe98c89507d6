// node:http2 (nghttp2) as the oracle: what its encoder sends our decoder reads, and what ours sends it reads. Field
// lists are made at random from a printed seed; fast-check shrinks them.

import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../common/clock.ts";
import { plaintextDialer } from "../../transport/dial.ts";
import { type Listening, listenHttp2 } from "../../transport/listen.ts";
import type { ClientConnection } from "../client.ts";
import { HeaderField, type HeaderFields } from "../header-field.ts";

// Own names only: node:http2 joins and checks the names it knows.
const name = fc
  .tuple(fc.constantFrom("x", "y", "trace", "long-name-of-a-field"), fc.nat(20))
  .map(([prefix, n]) => `${prefix}-${n}`);
const value = fc.oneof(
  fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)), maxLength: 60 }),
  fc.string({ unit: fc.constantFrom("a", "0", "/", "%"), minLength: 100, maxLength: 400 }),
);
const lists = fc.uniqueArray(fc.tuple(name, value), { selector: ([n]) => n, maxLength: 40 });

let ours: Listening;
let received: HeaderFields = [];
let theirs: http2.Http2Server;
let theirReceived: string[] = [];
let nodeClient: http2.ClientHttp2Session;
let ourClient: ClientConnection;

beforeAll(async () => {
  ours = await listenHttp2({
    host: "127.0.0.1",
    port: 0,
    clock: systemClock,
    onRequest(stream) {
      received = stream.fields;
      stream.respond([new HeaderField(":status", "200")], true);
    },
  });
  theirs = http2.createServer();
  theirs.on("stream", (stream, _headers, _flags, raw: string[]) => {
    theirReceived = raw;
    stream.respond({ ":status": 204 }, { endStream: true });
  });
  theirs.listen(0, "127.0.0.1");
  await once(theirs, "listening");
  nodeClient = http2.connect(`http://127.0.0.1:${ours.port}`);
  ourClient = await plaintextDialer(systemClock)("127.0.0.1", (theirs.address() as AddressInfo).port, 1000);
});

afterAll(async () => {
  nodeClient.destroy();
  ourClient.destroy();
  theirs.close();
  await ours.drain(100);
});

describe("HPACK against node:http2", () => {
  test("our decoder reads what nghttp2's encoder sends, dynamic table, Huffman and all", async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (list) => {
        const stream = nodeClient.request({ ":path": "/", ...Object.fromEntries(list) }, { endStream: true });
        stream.resume();
        await once(stream, "close");
        const seen = received.filter((field) => !field.name.startsWith(":"));
        expect(seen.map((field) => [field.name, field.value])).toEqual(list);
      }),
      { numRuns: 300 },
    );
  });

  test("nghttp2's decoder reads what our encoder sends", async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (list) => {
        const fields = [
          new HeaderField(":method", "GET"),
          new HeaderField(":scheme", "http"),
          new HeaderField(":path", "/"),
          new HeaderField(":authority", "oracle"),
          ...list.map(([n, v], i) => new HeaderField(n, v, i % 5 === 0)),
        ];
        await new Promise<void>((resolve, reject) => {
          ourClient.request(fields, undefined, {
            head() {},
            failed: reject,
            ended: (_trailers, error) => (error === undefined ? resolve() : reject(error)),
          });
        });
        expect(theirReceived.slice(8)).toEqual(list.flat());
      }),
      { numRuns: 300 },
    );
  });
});
