import fc from "fast-check";
import { expect, test } from "vitest";
import { MessageBoundary } from "./message-boundary.ts";
import { prefixMessage } from "./message-frames.ts";

test("is inside from the first octet of a prefix to the last of its message, however the body is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 20 }), (sizes, cuts) => {
      const body = Buffer.concat(sizes.map((size) => prefixMessage(Buffer.alloc(size, 0xff))));
      const ends = new Set([0]);
      let end = 0;
      for (const size of sizes) {
        end += 5 + size;
        ends.add(end);
      }
      const boundary = new MessageBoundary();
      let at = 0;
      for (const cut of [...cuts, body.length]) {
        const to = Math.min(body.length, at + cut);
        boundary.pass(body.subarray(at, to));
        at = to;
        expect(boundary.isInside).toBe(!ends.has(at));
      }
    }),
  );
});

test("a length of 4 GiB less one octet is not negative", () => {
  const boundary = new MessageBoundary();
  boundary.pass(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]));
  expect(boundary.isInside).toBe(true);
});
