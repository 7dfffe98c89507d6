import fc from "fast-check";
import { expect, test } from "vitest";
import { SendQueue } from "./send-queue.ts";

test("gives out what was put in, in order, however it is cut", () => {
  const step = fc.oneof(fc.record({ put: fc.nat(40_000) }), fc.record({ take: fc.integer({ min: 1, max: 20_000 }) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new SendQueue();
      let put = 0;
      let taken = 0;
      for (const one of steps) {
        if ("put" in one) {
          queue.append(Buffer.from(Array.from({ length: one.put }, (_, i) => (put + i) % 251)));
          put += one.put;
        } else {
          const piece = queue.peek(one.take);
          expect(piece.length).toBeLessThanOrEqual(one.take);
          expect(piece.length === 0).toBe(put === taken);
          for (const octet of piece) if (octet !== taken++ % 251) throw new Error(`octet ${taken - 1} is wrong`);
          queue.drop(piece.length);
        }
        expect(queue.length).toBe(put - taken);
      }
    }),
  );
});

test("a hundred thousand chunks of one octet take the memory of their octets", () => {
  const queue = new SendQueue();
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 100_000; i++) queue.append(Buffer.of(1));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000);
  expect(queue.length).toBe(100_000);
});
