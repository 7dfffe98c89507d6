import { describe, expect, test } from "vitest";
import { countTests, suiteLines } from "./vitest-report.ts";

const report = (passed: number, failed: number, files: readonly object[] = []) =>
  JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: 2,
    numTodoTests: 1,
    testResults: files,
  });

describe("countTests", () => {
  test("adds up what the report says", () => {
    expect(countTests(report(5, 0), 0)).toEqual({ passed: 5, failed: 0, skipped: 3 });
    expect(countTests(report(5, 2), 1)).toEqual({ passed: 5, failed: 2, skipped: 3 });
  });

  test("counts a file that could not be loaded as a failure", () => {
    expect(countTests(report(5, 0, [{ status: "failed", assertionResults: [] }]), 1).failed).toBe(1);
  });

  test("counts tests that were skipped because their preparation failed as failures", () => {
    const assertionResults = [{ status: "skipped" }, { status: "skipped" }];
    const files = [
      { status: "failed", assertionResults },
      { status: "passed", assertionResults: [{ status: "skipped" }] },
    ];
    expect(countTests(report(5, 0, files), 1)).toEqual({ passed: 5, failed: 2, skipped: 1 });
  });

  test("never reports a run better than it ended", () => {
    expect(countTests(report(5, 0), 1).failed).toBe(1);
    expect(countTests(report(0, 0), 0).failed).toBe(1);
    expect(countTests(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe("suiteLines", () => {
  test("names each implementation that ran a suite, with its counts, and no other tests", () => {
    const results = [
      ["passed", "event log on SQLite", "append"],
      ["passed", "registry on Consul"],
      ["failed", "event log on SQLite"],
      ["skipped", "read model v2 on Postgres"],
      ["passed", "the files of a SQLite read model"],
      ["passed"],
    ];
    const assertionResults = results.map(([status, ...ancestorTitles]) => ({ status, ancestorTitles }));
    expect(suiteLines(report(4, 1, [{ status: "failed", assertionResults }]))).toEqual([
      "event log on SQLite: 1 passed, 1 not",
      "read model v2 on Postgres: 0 passed, 1 not",
      "registry on Consul: 1 passed",
    ]);
  });
});
