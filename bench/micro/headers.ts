// What the header fields of one proxied call cost, step by step: `node bench/micro/headers.ts`. Requests as the
// benchmark's client writes them (`repeated`, and `varying` as grpc-go does), answers as a server writes them that does
// not index. Prints nanoseconds, the best of many runs.

import { randomHex } from "../../common/random.ts";
import { emptyBody } from "../../sidecar/http2/body.ts";
import type { HeaderField, HeaderFields } from "../../sidecar/http2/header-field.ts";
import { HpackDecoder } from "../../sidecar/http2/hpack/decoder.ts";
import { encodeFields, maxEncodedBytes } from "../../sidecar/http2/hpack/encoder.ts";
import { checkRequest, checkResponse, checkTrailers } from "../../sidecar/http2/message-rules.ts";
import { outgoingFields } from "../../sidecar/outgoing-fields.ts";
import { ReceivedCall } from "../../sidecar/received-call.ts";
import { type HeaderKind, RequestBlocks } from "../wire/request-blocks.ts";

const calls = 20_000;
const runs = 30;
const limits = { maxHeaderListBytes: 65_536, maxFields: 100 };
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";
const sources = { nowMs: () => 1_000, randomHex, sampleNew: () => false };
const out = Buffer.alloc(4_096);

const literal = (name: string, value: string) =>
  Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);
const responseBlock = Buffer.concat([Buffer.from([0x88]), literal("content-type", "application/grpc")]);
const trailerBlock = literal("grpc-status", "0");

function bestNs(step: (n: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const beganMs = performance.now();
    for (let n = 0; n < calls; n++) step(n);
    best = Math.min(best, ((performance.now() - beganMs) * 1e6) / calls);
  }
  return best;
}

function encode(fields: HeaderFields): void {
  if (maxEncodedBytes(fields) > out.length) throw new Error("too long");
  encodeFields(fields, out, 0);
}

function measure(kind: HeaderKind): void {
  const blocks = new RequestBlocks(kind, path);
  const decoder = new HpackDecoder(limits);
  const written = bestNs(() => blocks.next());
  const decoded: HeaderField[][] = new Array(calls);
  const received: ReceivedCall[] = new Array(calls);
  const sent: HeaderFields[] = new Array(calls);
  // Connection state goes on through all of it, so that each step gets what the one before made.
  const rows: [string, number][] = [];
  const step = (name: string, run: (n: number) => void) => rows.push([name, bestNs(run)]);
  const decoderRun = new HpackDecoder(limits);
  const again = new RequestBlocks(kind, path);
  step("decode the request", (n) => {
    const block = again.next();
    decoded[n] = decoderRun.decode(block, 0, block.length);
  });
  rows[0]![1] -= written;
  const fresh = new RequestBlocks(kind, path);
  for (let n = 0; n < calls; n++) {
    const block = fresh.next();
    decoded[n] = decoder.decode(block, 0, block.length);
  }
  step("check the request", (n) => {
    if (checkRequest(decoded[n]!) !== undefined) throw new Error("malformed");
  });
  step("make the call", (n) => {
    received[n] = new ReceivedCall(
      { fields: decoded[n]!, body: emptyBody, endsWithHead: true, peer: undefined },
      sources,
    );
  });
  step("write the next hop's fields", (n) => {
    sent[n] = outgoingFields({ call: received[n]!, attempt: 1, leftMs: 4_000.5 + n / 1e4, changes: [] });
  });
  step("encode the request", (n) => encode(sent[n]!));
  const replies = new HpackDecoder(limits);
  step("answer's header and trailers: decode, check, encode", () => {
    const head = replies.decode(responseBlock, 0, responseBlock.length);
    if (checkResponse(head) !== undefined) throw new Error("malformed");
    encode(head);
    const trailers = replies.decode(trailerBlock, 0, trailerBlock.length);
    if (checkTrailers(trailers) !== undefined) throw new Error("malformed");
    encode(trailers);
  });
  console.log(kind);
  for (const [name, ns] of rows) console.log(`${ns.toFixed(0).padStart(6)} ns  ${name}`);
  console.log(
    `${rows
      .reduce((sum, [, ns]) => sum + ns, 0)
      .toFixed(0)
      .padStart(6)} ns  together`,
  );
}

measure("repeated");
measure("varying");
