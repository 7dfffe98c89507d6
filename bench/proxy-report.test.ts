import { describe, expect, test } from "vitest";
import { median, percentile } from "./percentile.ts";
import { parseLog, parseOutput } from "./proxy-load.ts";
import { formatTable, type Measurement, makeReport, rejectionOf } from "./proxy-report.ts";

const measurement = (peer: string, rps: number, changes: Partial<Measurement> = {}): Measurement => {
  const counts = { errors: 0, served: 100, answered: 100, probeProblems: [], cpu: 0.5 };
  return { run: 0, peer, workload: "1x1", rps, p50Us: 10, p99Us: 20, ...counts, ...changes };
};

describe("makeReport", () => {
  test("takes medians over the runs and adds up what was served", () => {
    const { rows } = makeReport([measurement("ferry", 100), measurement("ferry", 300), measurement("ferry", 200)]);
    const core = { cpu: 0.5, rpsPerCore: 400 };
    expect(rows).toEqual([
      { peer: "ferry", workload: "1x1", rps: 200, p50Us: 10, p99Us: 20, ...core, errors: 0, served: 300, runs: 3 },
    ]);
  });

  test("relates to haproxy within each run, since the machine is another one in the next", () => {
    const runs = [1, 10, 100].flatMap((speed, run) => [
      measurement("ferry", 3 * speed, { run }),
      measurement("haproxy", 2 * speed, { run }),
    ]);
    expect(makeReport(runs).ratios).toEqual({ "1x1": { ferry: 1.5, haproxy: 1 } });
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
    const table = formatTable(makeReport([measurement("haproxy", 50), measurement("ferry", 100)]));
    expect(table.split("\n").slice(2)).toEqual([
      "| 1x1 | ferry | 100 | 2.00 | 10 | 20 | 0.5 | 200 |",
      "| 1x1 | haproxy | 50 | 1.00 | 10 | 20 | 0.5 | 100 |",
    ]);
  });
});

describe("reading h2load", () => {
  test("reads time, rate and what was not answered with 2xx", () => {
    const output = `finished in 250.00ms, 400.00 req/s, 1.2KB/s
requests: 100 total, 100 started, 100 done, 90 succeeded, 10 failed, 10 errored, 0 timeout
status codes: 90 2xx, 0 3xx, 0 4xx, 0 5xx`;
    expect(parseOutput(output, 100)).toEqual({ seconds: 0.25, rps: 400, succeeded: 90, errors: 10 });
    expect(() => parseOutput("could not connect", 1)).toThrow("could not connect");
  });

  test("reads the elapsed column of the log", () => {
    expect(parseLog("1790000000000000\t200\t31\n1790000000000031\t200\t29\n")).toEqual([31, 29]);
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
