// Counts what a vitest run did, from the file that `--reporter=json` writes. Called by check.ts. Pure.

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

/**
 * The counts of the run whose report is `json` (undefined: none was written) and which ended with `exitCode`. A file
 * that could not be loaded counts as one failed test, and a run that failed without a failed test, or that ran no test
 * at all, as one too: a run is never reported better than it ended.
 */
export function countTests(json: string | undefined, exitCode: number): Counts {
  const report = json === undefined ? undefined : (JSON.parse(json) as Report);
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  const isHollow = failed === 0 && (exitCode !== 0 || report.numPassedTests === 0);
  return {
    passed: report.numPassedTests,
    failed: isHollow ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
