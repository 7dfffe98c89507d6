// A sender behind a way of 25 ms in each direction, in time that the test moves: how fast it may send is decided
// by our windows alone.

import { expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { BufferedBytes } from "./buffered-bytes.ts";
import { clientPreface, FrameType, loadUint24, loadUint31 } from "./frames.ts";
import type { Limits } from "./limits.ts";
import { ServerConnection } from "./server.ts";
import { dataFrame, headersFrame, postRequest, settingsAck, settingsFrame } from "./testing/frame-peer.ts";
import { memorySocket } from "./testing/memory-socket.ts";

const oneWayMs = 25;

/** Sends `bytes` to our server as fast as windows allow; returns the milliseconds it took and the largest window. */
async function upload(bytes: number, { limits = {}, takes = true, heldElsewhere = 0 }: Options = {}) {
  const clock = new TestingClock();
  const buffers = new BufferedBytes(1 << 28);
  buffers.open({ held() {}, shed() {} }).add(heldElsewhere);
  let streamCredit = 65_535;
  let connectionCredit = 65_535;
  let left = bytes;
  let received = 0;
  const delayed = (work: () => void) => void clock.after(oneWayMs, work);
  const send = () => {
    const parts: Buffer[] = [];
    for (;;) {
      const next = Math.min(left, streamCredit, connectionCredit, 16_384);
      if (next <= 0) break;
      left -= next;
      streamCredit -= next;
      connectionCredit -= next;
      parts.push(dataFrame(1, next));
    }
    if (parts.length > 0) delayed(() => push(Buffer.concat(parts)));
  };
  const { socket, push, close } = memorySocket((octets) => {
    delayed(() => {
      for (let at = 0; at < octets.length; at += 9 + loadUint24(octets, at)) {
        if (octets[at + 3] === FrameType.SETTINGS && octets[at + 4] === 0) {
          streamCredit += 262_144 - 65_535;
          delayed(() => push(settingsAck));
        }
        if (octets[at + 3] !== FrameType.WINDOW_UPDATE) continue;
        const increment = loadUint31(octets, at + 9);
        if (loadUint31(octets, at + 5) === 0) connectionCredit += increment;
        else streamCredit += increment;
      }
      send();
    });
  });
  new ServerConnection(socket, {
    clock,
    buffers,
    limits,
    onRequest({ request }) {
      if (!takes) return;
      request.attach({
        data(chunk) {
          received += chunk.length;
          request.grant(chunk.length);
        },
        trailers() {},
        abort() {},
      });
    },
  });
  delayed(() => push(Buffer.concat([clientPreface, settingsFrame(), headersFrame(1, postRequest)])));
  const startedMs = clock.nowMs();
  while (received < bytes && clock.nowMs() < 60_000) await clock.advance(5);
  close();
  return { tookMs: clock.nowMs() - startedMs, sentBytes: bytes - left };
}

interface Options {
  readonly limits?: Partial<Limits>;
  readonly takes?: boolean;
  readonly heldElsewhere?: number;
}

// 64 windows of 1 MiB, one per round trip of 50 ms.
const bytes = 64 << 20;
const idealMs = (bytes / (1 << 20)) * 2 * oneWayMs;

test("64 MiB over a round trip of 50 ms reach 80 % of the rate that a window of 1 MiB allows", async () => {
  const { tookMs } = await upload(bytes);
  expect(tookMs).toBeLessThan(idealMs / 0.8);
  expect(tookMs).toBeGreaterThan(idealMs * 0.9);
});

test("without growth they take four times as long", async () => {
  const { tookMs } = await upload(bytes, { limits: { maxStreamWindowBytes: 0 } });
  expect(tookMs).toBeGreaterThan(3.5 * idealMs);
});

test("a window does not grow while nobody reads, nor while the process holds half of what it may", async () => {
  expect((await upload(bytes, { takes: false })).sentBytes).toBe(262_144);
  expect((await upload(bytes, { heldElsewhere: 150_000_000 })).tookMs).toBeGreaterThan(3.5 * idealMs);
});
