// What a deadline costs a call whose reply comes in time: `node bench/micro/timers.ts`. 256 timers wait at any moment,
// each with a delay of its own as grpc-go's timeouts have, and each is cancelled when 255 later ones have begun. Prints
// nanoseconds per timer, for Node's timers and for common/timer-wheel.ts, the best of nine rounds.

import { systemClock, type Timer } from "../../common/clock.ts";

const timers = 200_000;
const underWay = 256;

function nodeTimer(delayMs: number, callback: () => void): Timer {
  const timer = setTimeout(callback, delayMs);
  timer.unref();
  return { cancel: () => clearTimeout(timer) };
}

function round(after: (delayMs: number, callback: () => void) => Timer): number {
  const waiting = new Array<Timer>(underWay).fill({ cancel() {} });
  const startedMs = performance.now();
  for (let i = 0; i < timers; i++) {
    const at = i % underWay;
    waiting[at]!.cancel();
    waiting[at] = after(4_000 + ((i * 7) % 1_000) + (i % 13) / 13, () => {});
  }
  const nsPerTimer = ((performance.now() - startedMs) * 1e6) / timers;
  for (const timer of waiting) timer.cancel();
  return nsPerTimer;
}

for (const [name, after] of [
  ["node's timer", nodeTimer],
  ["timer wheel", systemClock.after],
] as const) {
  const rounds = Array.from({ length: 9 }, () => round(after));
  console.log(`${name}: ${Math.min(...rounds).toFixed(0)} ns`);
}
