// Header blocks that HPACK can decode (mostly) and that make no sense (mostly): fields in any order and number, from
// both tables, with size updates between them. Pure.

import type { Random } from "../../../../common/random.ts";

const names = [
  ...[":method", ":scheme", ":path", ":authority", ":status", ":protocol", ":", "", "te", "cookie", "host", "expect"],
  ...["content-length", "content-type", "connection", "transfer-encoding", "upgrade", "grpc-timeout", "grpc-status"],
  ...["grpc-message", "x-a", "X-A", "x a", "x\0", "x-bin", "x-\x80", "keep-alive", "x-request-id", "traceparent"],
];
const values = [
  ...[
    "GET",
    "POST",
    "CONNECT",
    "HEAD",
    "http",
    "https",
    "/",
    "*",
    "/ferry.test.Echo/Unary",
    "200",
    "204",
    "101",
    "103",
  ],
  ...[
    "",
    " ",
    "a b",
    "a\r\nb",
    "a\0",
    "0",
    "-1",
    "5",
    "99999999999999999999",
    "100m",
    "999999999H",
    "chunked",
    "trailers",
  ],
  ...[
    "application/grpc",
    "100-continue",
    "h2c",
    "test",
    "user@test",
    "\xff\xfe",
    "x".repeat(300),
    "00-",
    "y".repeat(5000),
  ],
];

export function randomBlock(random: Random): Buffer {
  const parts: Buffer[] = [];
  const number = (most: number) => Math.floor(random() * most);
  if (random() < 0.5) parts.push(Buffer.from([0x83, 0x86, 0x84, 0x41, 1, 0x61]));
  const count = random() < 0.05 ? number(400) : number(8);
  for (let i = 0; i < count; i++) {
    const kind = random();
    if (kind < 0.25) parts.push(integer(1 + number(random() < 0.9 ? 61 : 80), 7, 0x80));
    else if (kind < 0.28) parts.push(integer(number(5000), 5, 0x20));
    else if (kind < 0.31) parts.push(Buffer.from(Array.from({ length: number(6) }, () => number(256))));
    else {
      const [bits, pattern] = [[6, 0x40] as const, [4, 0x10] as const, [4, 0] as const][number(3)]!;
      const index = random() < 0.4 ? 1 + number(64) : 0;
      parts.push(integer(index, bits, pattern));
      if (index === 0) parts.push(text(names[number(names.length)]!, random));
      parts.push(text(values[number(values.length)]!, random));
    }
  }
  return Buffer.concat(parts);
}

function integer(value: number, bits: number, pattern: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.of(pattern | value);
  const octets = [pattern | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 128);
  octets.push(rest);
  return Buffer.from(octets);
}

/** Now and then it says that it is Huffman coded; then the octets are whatever they are. */
function text(value: string, random: Random): Buffer {
  const octets = Buffer.from(value, "latin1");
  return Buffer.concat([integer(octets.length, 7, random() < 0.1 ? 0x80 : 0), octets]);
}
