// node:http2 (nghttp2) as the oracle: what its encoder sends our decoder reads, and what ours sends it reads, in both
// roles: requests and responses, never-indexed fields, tables that are made smaller and larger while they are in use.
// Field lists are random; fast-check prints the seed that failed and shrinks the list.

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
const lists = fc.uniqueArray(fc.tuple(name, value, fc.boolean()), { selector: ([n]) => n, maxLength: 40 });
type List = [string, string, boolean][];
const tableSizes = fc.option(fc.constantFrom(0, 1, 50, 200, 4096, 65_536), { freq: 8, nil: undefined });

let ours: Listening;
let received: HeaderFields = [];
let ourAnswer: HeaderFields = [];
let theirs: http2.Http2Server;
let theirReceived: { raw: string[]; sensitive: readonly string[] } = { raw: [], sensitive: [] };
let theirAnswer: List = [];
let theirSession: http2.Http2Session | undefined;
let nodeClient: http2.ClientHttp2Session;
let ourClient: ClientConnection;

/** As node:http2 takes fields: those that must not be indexed are named by a symbol. */
function headersOf(list: List): http2.OutgoingHttpHeaders {
  return {
    ...Object.fromEntries(list),
    [http2.sensitiveHeaders]: list.filter(([, , isSecret]) => isSecret).map(([n]) => n),
  };
}

function sensitiveOf(headers: object): readonly string[] {
  return (headers as { [http2.sensitiveHeaders]?: string[] })[http2.sensitiveHeaders] ?? [];
}

const fieldsOf = (list: List) => list.map(([n, v, isSecret]) => new HeaderField(n, v, isSecret));
const regular = (fields: HeaderFields): List =>
  fields.filter((field) => !/^:|^date$/.test(field.name)).map((field) => [field.name, field.value, field.neverIndexed]);
const secretNames = (list: List) => list.filter(([, , isSecret]) => isSecret).map(([n]) => n);
/** nghttp2 marks short cookies and authorization by itself; no name here is one of them. */
const pairs = (list: List) => list.map(([n, v]) => [n, v]);

beforeAll(async () => {
  ours = await listenHttp2({
    host: "127.0.0.1",
    port: 0,
    clock: systemClock,
    limits: { settingsBurst: 1e9 },
    onRequest(stream) {
      received = stream.fields;
      stream.respond([new HeaderField(":status", "200"), ...ourAnswer], true);
    },
  });
  theirs = http2.createServer();
  theirs.on("stream", (stream, headers, _flags, raw: string[]) => {
    theirReceived = { raw, sensitive: sensitiveOf(headers) };
    stream.respond({ ":status": 204, ...headersOf(theirAnswer) }, { endStream: true, sendDate: false } as object);
  });
  theirs.on("session", (session) => {
    theirSession = session;
  });
  theirs.listen(0, "127.0.0.1");
  await once(theirs, "listening");
  nodeClient = http2.connect(`http://127.0.0.1:${ours.port}`);
  const dial = plaintextDialer(systemClock, { limits: { settingsBurst: 1e9 } });
  ourClient = await dial("127.0.0.1", (theirs.address() as AddressInfo).port, 1000);
});

afterAll(async () => {
  nodeClient.destroy();
  ourClient.destroy();
  theirs.close();
  await ours.drain(100);
});

/** Announces another size of nghttp2's decoding table, which our encoder has to follow. */
async function resize(session: http2.Http2Session | undefined, headerTableSize: number | undefined): Promise<void> {
  if (session === undefined || headerTableSize === undefined) return;
  await new Promise<void>((resolve) => session.settings({ headerTableSize }, () => resolve()));
}

describe("HPACK against node:http2", () => {
  // Over 200 ms: 300 calls each, with changes of settings between them.
  test("a client of nghttp2 and our server read each other's fields, whatever the table's size", async () => {
    await fc.assert(
      fc.asyncProperty(lists, lists, tableSizes, async (list, answer, tableSize) => {
        await resize(nodeClient, tableSize);
        ourAnswer = fieldsOf(answer);
        const stream = nodeClient.request({ ":path": "/", ...headersOf(list) }, { endStream: true });
        stream.resume();
        const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
        expect(regular(received)).toEqual(list);
        expect(Object.entries(headers).filter(([n]) => n !== ":status")).toEqual(pairs(answer));
        expect([...sensitiveOf(headers)].sort()).toEqual(secretNames(answer).sort());
        if (!stream.closed) await once(stream, "close");
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });

  test("our client and a server of nghttp2 read each other's fields, whatever the table's size", async () => {
    await fc.assert(
      fc.asyncProperty(lists, lists, tableSizes, async (list, answer, tableSize) => {
        await resize(theirSession, tableSize);
        theirAnswer = answer;
        const fields = [
          new HeaderField(":method", "GET"),
          new HeaderField(":scheme", "http"),
          new HeaderField(":path", "/"),
          new HeaderField(":authority", "oracle"),
          ...fieldsOf(list),
        ];
        const head = await new Promise<HeaderFields>((resolve, reject) => {
          let answered: HeaderFields = [];
          ourClient.request(fields, undefined, {
            head: (seen) => {
              answered = seen;
            },
            failed: reject,
            ended: (_trailers, error) => (error === undefined ? resolve(answered) : reject(error)),
          });
        });
        expect(theirReceived.raw.slice(8)).toEqual(pairs(list).flat());
        expect([...theirReceived.sensitive].sort()).toEqual(secretNames(list).sort());
        expect(regular(head)).toEqual(answer);
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });
});
