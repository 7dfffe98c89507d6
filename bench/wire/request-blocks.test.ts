import { expect, test } from "vitest";
import { HpackDecoder } from "../../sidecar/http2/hpack/decoder.ts";
import { RequestBlocks } from "./request-blocks.ts";

function decodeAll(blocks: RequestBlocks, count: number): Record<string, string>[] {
  const decoder = new HpackDecoder({ maxHeaderListBytes: 8_192, maxFields: 50 });
  return Array.from({ length: count }, () => {
    const block = blocks.next();
    return Object.fromEntries(decoder.decode(block, 0, block.length).map(({ name, value }) => [name, value]));
  });
}

const fixed = {
  ":method": "POST",
  ":scheme": "http",
  ":path": "/a.B/C",
  ":authority": "127.0.0.1",
  "content-type": "application/grpc",
  "user-agent": "grpc-go/1.71.0",
  te: "trailers",
};

test("a repeated header is the same seven octets from the second call on", () => {
  const blocks = new RequestBlocks("repeated", "/a.B/C");
  for (const header of decodeAll(blocks, 3)) expect(header).toEqual(fixed);
  expect(blocks.next().toString("hex")).toBe(Buffer.from(blocks.next()).toString("hex"));
  expect(blocks.next()).toHaveLength(7);
});

test("a varying header reads right for 5,000 calls, while entries fall out of the table", () => {
  const headers = decodeAll(new RequestBlocks("varying", "/a.B/C"), 5_000);
  for (const { "grpc-timeout": timeout, traceparent, ...rest } of headers) {
    expect(rest).toEqual(fixed);
    expect(timeout).toMatch(/^499\d{4}u$/);
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  }
  expect(new Set(headers.map(({ traceparent }) => traceparent)).size).toBe(5_000);
});
