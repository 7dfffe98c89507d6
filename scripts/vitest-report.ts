// Reads what a vitest run did from the file that `--reporter=json` writes: its counts, and the suites that state what
// every implementation of an interface does. Called by check.ts. Pure.

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
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly Assertion[] }[];
}

interface Assertion {
  readonly ancestorTitles: readonly string[];
  readonly status: string;
}

/**
 * The counts of the run whose report is `json` (undefined: none was written) and which ended with `exitCode`. A file
 * that could not be loaded counts as one failed test; one whose preparation failed (a server that is missing), so that
 * vitest skips its tests, counts each of them as failed; and a run that failed without a failed test, or that ran no
 * test at all, counts as one. A run is never reported better than it ended.
 */
export function countTests(json: string | undefined, exitCode: number): Counts {
  const report = json === undefined ? undefined : (JSON.parse(json) as Report);
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((assertion) => assertion.status === "failed"),
  );
  const unloaded = broken.filter(({ assertionResults }) => assertionResults.length === 0).length;
  const unprepared = broken.flatMap(({ assertionResults }) => assertionResults).filter(isSkipped).length;
  const failed = report.numFailedTests + unloaded + unprepared;
  const isHollow = failed === 0 && (exitCode !== 0 || report.numPassedTests === 0);
  return {
    passed: report.numPassedTests,
    failed: isHollow ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests - unprepared,
  };
}

function isSkipped({ status }: Assertion): boolean {
  return status === "skipped" || status === "pending";
}

/** Titles of the suites (`*.suite.ts`) that each implementation runs, as `event log on SQLite`. */
const suiteTitle = /^(?:registry|event log|read model v\d) on /;

/** One line for each implementation that ran a suite, as `event log on SQLite: 31 passed`, sorted. */
export function suiteLines(json: string): readonly string[] {
  const counts = new Map<string, { passed: number; other: number }>();
  const { testResults } = JSON.parse(json) as Report;
  for (const { ancestorTitles, status } of testResults.flatMap(({ assertionResults }) => assertionResults)) {
    const title = ancestorTitles[0] ?? "";
    if (!suiteTitle.test(title)) continue;
    const { passed, other } = counts.get(title) ?? { passed: 0, other: 0 };
    counts.set(title, status === "passed" ? { passed: passed + 1, other } : { passed, other: other + 1 });
  }
  return [...counts]
    .map(([title, { passed, other }]) => `${title}: ${passed} passed${other > 0 ? `, ${other} not` : ""}`)
    .sort();
}
