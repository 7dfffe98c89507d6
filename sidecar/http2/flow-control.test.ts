import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { overflows, ReceiveWindow, sendable } from "./flow-control.ts";
import { maxWindow } from "./frames.ts";

describe("receive windows", () => {
  test("credit is conserved: available, held and returned octets add up to the size at any time", () => {
    const step = fc.record({ receive: fc.nat(70_000), releaseShare: fc.double({ min: 0, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300_000 }), fc.array(step, { maxLength: 200 }), (size, steps) => {
        const window = new ReceiveWindow(size);
        let held = 0;
        let peerCredit = size;
        for (const { receive, releaseShare } of steps) {
          const bytes = Math.min(receive, peerCredit);
          expect(window.receive(bytes)).toBe(true);
          peerCredit -= bytes;
          held += bytes;
          const released = Math.floor(held * releaseShare);
          held -= released;
          peerCredit += window.release(released);
          expect(peerCredit).toBe(window.available);
          expect(window.available + held + window.returned).toBe(size);
        }
        peerCredit += window.release(held);
        expect(peerCredit + window.returned).toBe(size);
      }),
    );
  });

  test("one octet more than was granted is noticed", () => {
    const window = new ReceiveWindow(100);
    expect(window.receive(100)).toBe(true);
    expect(window.receive(1)).toBe(false);
  });

  test("an update is announced once half the window has been returned, never of 0 octets", () => {
    const window = new ReceiveWindow(100);
    window.receive(100);
    expect(window.release(49)).toBe(0);
    expect(window.release(1)).toBe(50);
    expect(new ReceiveWindow(1).release(0)).toBe(0);
  });

  test("a window resized below what was sent is negative until credit comes back", () => {
    const window = new ReceiveWindow(100);
    window.receive(80);
    window.resize(10);
    expect(window.available).toBe(-70);
    window.release(80);
    expect(window.available).toBe(10);
  });
});

describe("send windows", () => {
  test("what may be sent exceeds neither window nor frame nor queue", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer(), fc.integer(), (queued, stream, connection) => {
        const bytes = sendable(queued, stream, connection, 16_384);
        expect(bytes).toBe(Math.min(queued, stream, connection, 16_384));
      }),
    );
  });

  test("§6.9.1 a window above 2^31-1 overflows", () => {
    expect(overflows(maxWindow, 1)).toBe(true);
    expect(overflows(maxWindow - 1, 1)).toBe(false);
    expect(overflows(-5, maxWindow)).toBe(false);
  });
});
