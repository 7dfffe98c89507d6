import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { LatencyWindow } from "./latency-window.ts";
import { LatencyWindows } from "./latency-windows.ts";

function filled(latenciesMs: readonly number[], nowMs = 0): LatencyWindow {
  const window = new LatencyWindow();
  for (const ms of latenciesMs) window.observe(ms, nowMs);
  return window;
}

test("nothing is said of fewer than 20 calls", () => {
  expect(filled(Array(19).fill(5)).percentileMs(50, 0)).toBeUndefined();
  expect(filled(Array(20).fill(5)).percentileMs(50, 0)).toBeCloseTo(5, 0);
});

test("percentiles from 1 ms to 60 s are within 9 % of the exact ones", () => {
  const random = seededRandom(1);
  // Log-uniform: every octave gets its share.
  const latencies = Array.from({ length: 5_000 }, () => 60_000 ** random());
  const window = filled(latencies);
  const sorted = latencies.toSorted((a, b) => a - b);
  for (const percent of [10, 50, 90, 95, 99, 99.9]) {
    const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1]!;
    expect(Math.abs(window.percentileMs(percent, 0)! / exact - 1)).toBeLessThan(0.09);
  }
});

test("what lies outside of 1 ms to 60 s counts at its end", () => {
  expect(filled(Array(20).fill(0.2)).percentileMs(50, 0)).toBeLessThanOrEqual(1);
  expect(filled(Array(20).fill(600_000)).percentileMs(50, 0)).toBeGreaterThan(54_000);
});

test("what was observed half a minute ago is forgotten", () => {
  const window = filled(Array(20).fill(400), 1_000);
  for (let i = 0; i < 20; i++) window.observe(10, 25_000);
  expect(window.percentileMs(90, 29_000)).toBeGreaterThan(300);
  expect(window.percentileMs(90, 32_001)).toBeLessThan(12);
  expect(window.percentileMs(50, 60_000)).toBeUndefined();
});

test("a silence of any length leaves nothing old behind", () => {
  for (const silenceMs of [10_000, 20_000, 30_000, 40_000, 1_000_000]) {
    const window = filled(Array(1_000).fill(400), 0);
    for (let i = 0; i < 2_000; i++) window.observe(10, silenceMs);
    expect(window.percentileMs(90, silenceMs)! > 300, `after ${silenceMs} ms`).toBe(silenceMs < 30_000);
  }
});

test("a percentile is worked out anew every 3 s and no more often", () => {
  const window = filled(Array(20).fill(10));
  const first = window.percentileMs(50, 0);
  for (let i = 0; i < 1_000; i++) window.observe(400, 1);
  expect(window.percentileMs(50, 2_999)).toBe(first);
  expect(window.percentileMs(50, 3_000)).toBeGreaterThan(300);
  expect(window.percentileMs(95, 3_000)).toBeGreaterThan(300);
});

test("a method has one window, and the number of methods is bounded", () => {
  const windows = new LatencyWindows();
  const first = windows.of("s", "/s/M", 0);
  expect(windows.of("s", "/s/M", 0)).toBe(first);
  expect(windows.of("t", "/s/M", 0)).not.toBe(first);
  for (let i = 2; i < 1_024; i++) expect(windows.of("s", `/s/${i}`, 0)).toBeDefined();
  expect(windows.of("s", "/s/one-too-many", 0)).toBeUndefined();
  // What nobody called for half a minute makes room.
  first?.observe(5, 45_000);
  expect(windows.of("s", "/s/one-too-many", 45_000)).toBeDefined();
  expect(windows.of("s", "/s/M", 45_000)).toBe(first);
});
