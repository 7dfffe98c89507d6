import { describe, expect, test } from "vitest";
import { median, percentile } from "./percentile.ts";
import { formatTables, type Measurement, makeReport, rejectionOf } from "./proxy-report.ts";

const measurement = (peer: string, rps: number, changes: Partial<Measurement> = {}): Measurement => {
  const counts = { errors: 0, served: 100, answered: 100, probeProblems: [], cpu: 0.5 };
  const figures = { rps, mbps: 1, p50Us: 10, p99Us: 20, rssMb: 60 };
  return { run: 0, profile: "plain", peer, cache: "on", workload: "1x1", ...figures, ...counts, ...changes };
};

describe("makeReport", () => {
  test("takes medians over the runs and adds up what was served", () => {
    const { rows } = makeReport([measurement("ferry", 100), measurement("ferry", 300), measurement("ferry", 200)]);
    const figures = { rps: 200, mbps: 1, p50Us: 10, p99Us: 20, cpu: 0.5, rpsPerCore: 400, rssMb: 60 };
    expect(rows).toEqual([
      { profile: "plain", peer: "ferry", cache: "on", workload: "1x1", ...figures, errors: 0, served: 300, runs: 3 },
    ]);
  });

  test("relates to haproxy within each run, since the machine is another one in the next", () => {
    const runs = [1, 10, 100].flatMap((speed, run) => [
      measurement("ferry", 3 * speed, { run }),
      measurement("haproxy", 2 * speed, { run }),
    ]);
    expect(makeReport(runs).ratios).toEqual({ "1x1, caches on": { ferry: 1.5, haproxy: 1 } });
  });

  test("leaves out a measurement whose counts differ, that had errors, or whose probe saw a fault", () => {
    expect(rejectionOf(measurement("ferry", 1, { served: 99 }))).toBe("the backend served 99, the load got 100");
    expect(rejectionOf(measurement("ferry", 1, { errors: 1 }))).toBe("1 requests failed");
    expect(rejectionOf(measurement("ferry", 1, { probeProblems: ["UNAVAILABLE: x"] }))).toContain("UNAVAILABLE");
    expect(rejectionOf(measurement("ferry", 1, { served: 0, answered: 0 }))).toBe("nothing was answered");
    const { rows, rejected } = makeReport([measurement("ferry", 1, { served: 99 })]);
    expect([rows.length, rejected.length]).toEqual([0, 1]);
  });

  test("shows the fastest first", () => {
    const tables = formatTables(makeReport([measurement("haproxy", 50), measurement("ferry", 100)]));
    expect(tables.split("\n").slice(4)).toEqual([
      "| 1x1 | ferry | 100 | 2.00 | 1 | 10 | 20 | 0.5 | 200 | 60 |",
      "| 1x1 | haproxy | 50 | 1.00 | 1 | 10 | 20 | 0.5 | 100 | 60 |",
    ]);
  });

  test("holds our mTLS against the same program's plaintext of the run, and names profiles where there are two", () => {
    const runs = [1, 10].flatMap((speed, run) => [
      measurement("ferry", 9 * speed, { run }),
      measurement("ferry-proxy", 10 * speed, { run }),
      measurement("haproxy", 5 * speed, { run }),
      measurement("ferry", 7 * speed, { run, profile: "mtls" }),
      measurement("haproxy", 4 * speed, { run, profile: "mtls" }),
    ]);
    const { mtlsOfPlain, ratios, rows } = makeReport(runs);
    expect(mtlsOfPlain).toEqual({ "1x1, caches on": { ferry: 0.7, haproxy: 0.8 } });
    expect(ratios).toEqual({
      "1x1, caches on, plain": { ferry: 1.8, "ferry-proxy": 2, haproxy: 1 },
      "1x1, caches on, mtls": { ferry: 1.75, haproxy: 1 },
    });
    expect(formatTables({ mtlsOfPlain, ratios, rows, rejected: [] })).toContain("### mtls, caches on");
  });
});

describe("percentile and median", () => {
  test("are by nearest rank and by the middle", () => {
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.99)).toBe(4);
    expect(percentile([], 0.5)).toBe(0);
    expect([median([3, 1, 2]), median([4, 1]), median([])]).toEqual([2, 2.5, 0]);
  });
});
