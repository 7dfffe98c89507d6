import { describe, expect, test } from "vitest";
import { formatMusts, judge } from "./musts.ts";
import { judgeSpeed } from "./proxy-musts.ts";
import type { Measurement } from "./proxy-report.ts";

const measurement = (peer: string, changes: Partial<Measurement>): Measurement => ({
  ...{ run: 0, profile: "plain", peer, cache: "off", workload: "8x32 64B" },
  ...{ rps: 100, mbps: 1, p50Us: 10, p99Us: 20, cpu: 1, rssMb: 60 },
  ...{ errors: 0, served: 100, answered: 100, probeProblems: [], ...changes },
});

const found = (measurements: readonly Measurement[], what: string) =>
  judgeSpeed(measurements).find((must) => must.what.includes(what));

describe("judgeSpeed", () => {
  test("judges by the median of the ratios of each run", () => {
    const runs = [1, 3, 2].flatMap((ratio, run) => [
      measurement("ferry", { run, rps: ratio * 100 }),
      measurement("haproxy", { run }),
    ]);
    expect(found(runs, "HAProxy")).toMatchObject({ expected: "> 1", measured: 2, isMet: true });
  });

  test("a tie is no win", () => {
    expect(found([measurement("ferry", {}), measurement("haproxy", {})], "HAProxy")?.isMet).toBe(false);
  });

  test("takes no measurement with caches on, and none that does not count", () => {
    const haproxy = measurement("haproxy", {});
    expect(found([measurement("ferry", { cache: "on" }), haproxy], "HAProxy")?.isMet).toBeUndefined();
    expect(found([measurement("ferry", { served: 99 }), haproxy], "HAProxy")?.isMet).toBeUndefined();
  });

  test("latencies must be low, rates high", () => {
    const half = { workload: "8x32 64B at half" };
    const slow = [measurement("ferry", { ...half, p99Us: 41 }), measurement("haproxy", half)];
    expect(found(slow, "p99 at half")).toMatchObject({ measured: 2.05, isMet: false });
    const one = { workload: "1x1 64B" };
    const even = [measurement("ferry", { ...one, p50Us: 11 }), measurement("haproxy", one)];
    expect(found(even, "p50")).toMatchObject({ measured: 1.1, isMet: true });
  });

  test("mTLS is held against the plaintext of the same program, not of the sidecar with descriptors", () => {
    const profiles = [
      measurement("ferry", { rps: 50 }),
      measurement("ferry-proxy", { rps: 100 }),
      measurement("ferry", { profile: "mtls", rps: 55 }),
    ];
    expect(found(profiles, "our plaintext")).toMatchObject({ measured: 0.55, isMet: false });
  });

  test("the aim is judged by our worst row, at a rate that is no limit", () => {
    const rows = [
      ...[measurement("ferry", { rps: 120 }), measurement("nghttpx", {})],
      ...[measurement("ferry", { cache: "on", rps: 90 }), measurement("nghttpx", { cache: "on" })],
      ...[measurement("ferry", { workload: "8x32 64B at half", rps: 1 })],
      ...[measurement("nghttpx", { workload: "8x32 64B at half" })],
    ];
    expect(found(rows, "nghttpx")).toMatchObject({ expected: "aim >= 1", measured: 0.9, isMet: false });
    expect(found(rows, "nghttpx")?.what).toContain("8x32 64B, caches on, plain");
  });
});

test("what was not measured is told as that", () => {
  const lines = formatMusts([judge({ what: "a", sign: "<", bound: 90, unit: "MB" }, undefined)]).split("\n");
  expect(lines[2]).toBe("| a | < 90 MB |  | not measured |");
});
